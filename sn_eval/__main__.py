"""`python -m sn_eval` is `sn-eval`."""

from sn_eval.cli import main

if __name__ == "__main__":
    main()
