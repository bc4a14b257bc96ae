"""`python -m nextbuy`, and what the `nextbuy` command starts."""

from nextbuy.cli.main import main

if __name__ == "__main__":
    main(prog_name="nextbuy")
