# Turns a text file into a C string: awk -v name=NAME -f embed.awk FILE
BEGIN { print "extern const char " name "[];\nconst char " name "[] =" }
{ gsub(/\\/, "\\\\"); gsub(/"/, "\\\""); print "    \"" $0 "\\n\"" }
END { print ";" }
