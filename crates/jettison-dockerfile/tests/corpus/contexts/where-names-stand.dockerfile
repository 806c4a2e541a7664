FROM base-context AS app
COPY --from=files-context /a /b
RUN --mount=type=bind,from=other-context,target=/x true
