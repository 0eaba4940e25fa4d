"""The published documents, read by the tools of node that others read them with.

Python alone builds and tests this project, so these tools are no part of `make test`: its tests
validate the OpenAPI documents and generate clients from them, and check the AsyncAPI document
against its official schema. Here linters, a generator of TypeScript and the AsyncAPI parser read
the same files.
"""
