"""`voicegen serve`: chat and speech for programs and for the browser, over HTTP and a WebSocket."""
