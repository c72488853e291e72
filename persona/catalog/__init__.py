"""Items and their pictures: import, background removal, measures of colour and pattern, files by content.

A photo goes through `cutout` to a centred, premultiplied cut-out, which `measure` (`colour`, `pattern`) looks at and
`pictures` keeps under its sha256; `cuts` remembers all that by the photo's content, so that `importing`, which reads
`rows` of tables from `sources`, can be stopped at any time and go on later.
"""
