# escape=`
# nothing here
