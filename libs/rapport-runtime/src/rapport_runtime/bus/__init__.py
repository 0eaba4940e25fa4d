"""The bus as services see it: a port for reading and writing records, with two adapters."""
