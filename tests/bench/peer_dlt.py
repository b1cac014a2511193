"""dlt's merge of an export into a table of PostgreSQL, by its primary key: rows that are not in the export stay."""

import sys
from pathlib import Path

import dlt
import pyarrow.csv

ADDRESS, EXPORT = sys.argv[1:3]


def rows():
    """The rows in batches, which dlt loads without looking at each."""
    for part in sorted(Path(EXPORT).glob("part-*")):
        yield from pyarrow.csv.open_csv(part)


def main():
    # The name of the folder with the server's socket has slashes, which only the query may have.
    user, _, place = ADDRESS.removeprefix("postgres://").partition("@")
    folder, _, database = place.rpartition("/")
    credentials = f"postgresql://{user}@/{database}?host={folder}"
    pipeline = dlt.pipeline("bench", destination=dlt.destinations.postgres(credentials), dataset_name="bench", pipelines_dir=".dlt")
    resource = dlt.resource(rows, name="bench", primary_key="id", write_disposition="merge")
    pipeline.run(resource, loader_file_format="csv")


if __name__ == "__main__":
    main()
