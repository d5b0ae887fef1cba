"""`/v1/realtime`: a conversation over a WebSocket, spoken or written, by the events of OpenAI's Realtime API."""
