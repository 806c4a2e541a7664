FROM alpine
# check=skip=WorkdirRelativePath,JSONArgsRecommended
WORKDIR a
# check=skip=JSONArgsRecommended
# and a reason
CMD b
