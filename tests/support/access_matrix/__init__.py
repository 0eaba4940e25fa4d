"""The three APIs and who may do what: real apps, real keys, real rows, and their documents."""
