FROM alpine
﻿RUN true
