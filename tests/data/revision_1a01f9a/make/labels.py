from pathlib import Path
from itertools import islice
from seqvise.corpus.phrasebook import phrasebook_pairs
rows = [(("where" if e.lower().startswith("where") else "who" if e.lower().startswith(("who","which")) else "other"), e) for _, e in islice(phrasebook_pairs(), 120)]

Path("labels.tsv").write_text("".join(f"{l}\t{e}\n" for l, e in sorted(rows[::-1][:90], key=lambda r: len(r[1]))))
