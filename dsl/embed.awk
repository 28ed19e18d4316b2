# Turns dsl/std/*.nn into a C table of strings (DSL_STD in ast.h).
BEGIN { print "#include \"dsl/ast.h\"\n" }
FNR == 1 {
    if (n++) print ";"
    name[n] = FILENAME; sub(/.*\//, "", name[n])
    print "static const char text_" n "[] ="
}
{ gsub(/\\/, "\\\\"); gsub(/"/, "\\\""); print "    \"" $0 "\\n\"" }
END {
    if (n) print ";"
    print "const StdFile DSL_STD[] = {"
    for (i = 1; i <= n; i++) print "    { \"" name[i] "\", text_" i ", sizeof text_" i " - 1 },"
    print "    { 0, 0, 0 }\n};\nconst int DSL_STD_COUNT = " n+0 ";"
}
