"""A finished run in the forms that other tools read. One file an exporter; `formats` lists their `SPEC`s."""
