"""The server and a real protovalidate judge the same requests."""
