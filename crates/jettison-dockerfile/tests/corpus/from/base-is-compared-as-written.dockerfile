FROM alpine AS Base
FROM base AS two
FROM Base AS three
