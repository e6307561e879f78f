"""``python -m duly`` is the command line."""

if __name__ == "__main__":
    from duly.cli.main import main  # a process that runs one task imports this file too, and needs none of it

    main()
