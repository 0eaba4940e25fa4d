"""The three APIs as a stranger meets them: real apps, real keys, real rows, and their documents."""
