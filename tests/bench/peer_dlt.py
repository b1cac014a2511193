"""dlt's merge of an export into a table of PostgreSQL, by its primary key: rows that are not in the export stay."""

import os
import sys
from pathlib import Path

# Before it is imported: it reports nothing, and keeps what it remembers here.
os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR", "DLT_DATA_DIR": ".dlt"}
import dlt
import pyarrow.csv

ADDRESS, EXPORT = sys.argv[1:3]


def rows():
    """The rows in batches, which dlt loads without looking at each."""
    for part in sorted(Path(EXPORT).glob("part-*")):
        yield from pyarrow.csv.open_csv(part)


def main():
    # It insists on a password, which this server does not ask for.
    user, _, place = ADDRESS.removeprefix("postgres://").partition("@")
    credentials = f"postgresql://{user}:none@{place}"
    pipeline = dlt.pipeline("bench", destination=dlt.destinations.postgres(credentials), dataset_name="bench", pipelines_dir=".dlt")
    resource = dlt.resource(rows, name="bench", primary_key="id", write_disposition="merge")
    pipeline.run(resource, loader_file_format="csv")


if __name__ == "__main__":
    main()
