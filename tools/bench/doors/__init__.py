"""The doors by which one practice can flood: bus, REST, exports, messages; one module for each."""
