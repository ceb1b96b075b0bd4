"""One module per verb."""


def main() -> None:
    """Start the command line."""
