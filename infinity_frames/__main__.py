"""``python -m infinity_frames`` is the command ``infinity-frames``."""

if __name__ == "__main__":
    import sys

    from infinity_frames.cli.main import main

    sys.exit(main())
