"""`voicegen mcp`: the models of a job as tools of the Model Context Protocol, for assistants."""
