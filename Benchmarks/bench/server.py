def measure(options, engine, report):
    pass
