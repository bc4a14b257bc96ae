"""The API documents (OpenAPI, AsyncAPI) that are generated from the code."""
