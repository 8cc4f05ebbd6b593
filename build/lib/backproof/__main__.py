"""`python -m backproof` is the command `backproof`."""

from backproof.command import main

if __name__ == "__main__":
    main()
