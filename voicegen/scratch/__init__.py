"""What there is too much of for memory: records of numbers in temporary files, for as long as the process runs."""
