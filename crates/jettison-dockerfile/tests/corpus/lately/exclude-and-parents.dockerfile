FROM alpine
COPY --parents --exclude=**/*.md ./a/./b/*.c ./x/ /dst/
