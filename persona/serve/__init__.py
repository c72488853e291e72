"""HTTP in and out: the API, the pictures, the gallery page and the server that runs them.

`persona.serve.app.create_app` makes the application, `persona.serve.run.serve` serves it. Nothing is imported here, so
that the process which only starts workers does not load the models' libraries.
"""
