"""Each index costs every row that is added: none is there only to be the beginning of another."""

import pytest
from django.db import connection

# Of an index's columns those of another, which holds all rows, are the first.
REPEATED = """
    WITH found AS (
        SELECT i.*, i.indrelid::regclass::text AS "table", place, key, class
          FROM pg_index i, unnest(i.indkey, i.indclass) WITH ORDINALITY k (key, class, place)
         WHERE i.indpred IS NULL AND i.indexprs IS NULL
    ), indexes AS (
        SELECT indexrelid, indrelid, indisunique,
               array_agg(key || ' ' || class ORDER BY place) AS columns
          FROM found WHERE "table" LIKE 'usage\\_%' GROUP BY 1, 2, 3
    )
    SELECT one.indexrelid::regclass::text FROM indexes one JOIN indexes other
        ON other.indrelid = one.indrelid AND other.indexrelid <> one.indexrelid
       AND other.columns[:cardinality(one.columns)] = one.columns
     WHERE NOT one.indisunique
"""


@pytest.mark.django_db
def test_no_index_is_only_the_beginning_of_another() -> None:
    with connection.cursor() as cursor:
        cursor.execute(REPEATED)
        assert [name for (name,) in cursor.fetchall()] == []
        cursor.execute(
            "CREATE TEMPORARY TABLE usage_more (a int, b int);"
            "CREATE INDEX of_no_use ON usage_more (a); CREATE INDEX ON usage_more (a, b)"
        )
        cursor.execute(REPEATED)
        assert [name for (name,) in cursor.fetchall()] == ["of_no_use"]
