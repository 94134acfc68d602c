"""The command line: its words, its options, its help, and the order in which stages run."""
