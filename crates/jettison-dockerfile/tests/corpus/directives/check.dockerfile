# check=skip=JSONArgsRecommended,StageNameCasing;error=true;experimental=all
FROM alpine AS Base
CMD true
