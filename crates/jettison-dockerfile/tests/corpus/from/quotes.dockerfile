FROM "alpine" AS a
