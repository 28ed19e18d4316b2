/* The grammar of .nn files. The parser is pure and reentrant; it reads the settled tokens of
 * tokens.c, builds the tree through build.c and recovers at the end of a statement. */
%code requires {
#include "dsl/build.h"
}
%code provides {
int dsl_yyparse(Parser *p);
}
%code {
#define YYLLOC_DEFAULT(Cur, Rhs, N)                                                              \
    do {                                                                                         \
        (Cur) = (N) ? span_join(YYRHSLOC(Rhs, 1), YYRHSLOC(Rhs, N)) : YYRHSLOC(Rhs, 0);          \
        if (!(N))                                                                                \
            (Cur).begin = (Cur).end;                                                             \
    } while (0)

static int dsl_yylex(DSL_YYSTYPE *value, Span *at, Parser *p);
static void dsl_yyerror(Span *at, Parser *p, const char *message);
#define TOKEN(i) token_at(p, (i))
#define PUSH(list, ...) VEC_PUSH(p->arena, (list), __VA_ARGS__)
}
%define api.pure full
%define api.prefix {dsl_yy}
%define api.location.type {Span}
%define parse.error custom
%define parse.lac full
%locations
%expect 0
%param {Parser *p}
%initial-action { @$ = parser_span(p, 0, 0); }

%union {
    int token; /* number of the token */
    Expr *expr;
    Stmt *stmt;
    Decl *decl;
    Block *block;
    TypeExpr *type;
    Scan *scan;
    Dim dim;
    Index index;
    Arg arg;
    Formal formal;
    Left left;
    ExprVec *exprs;
    StmtVec *stmts;
    DeclVec *decls;
    ArgVec *args;
    IndexVec *indices;
    DimVec *dims;
    NameVec *names;
    FormalVec *formals;
    LeftVec *lefts;
    TypeVec *types;
    ScanVec *scans;
    bool flag;
}

%token END 0 "end of file"
%token NEWLINE "end of line"
%token <token> NAME "name" INT "number" FLOAT "fraction" STRING "string" TRUE "'true'" FALSE "'false'"
%token FN "'fn'" LAYER "'layer'" NET "'net'" OPTIMIZER "'optimizer'" TRAIN "'train'" IMPORT "'import'" AS "'as'"
%token IF "'if'" IF_STMT "'if' statement" ELSE "'else'" FOR "'for'" IN "'in'" RETURN "'return'" YIELD "'yield'"
%token PARAM "'param'" STATE "'state'" SLOT "'slot'" ASSERT "'assert'" DATA "'data'" NOISE "'noise'"
%token METRIC "'metric'" STEP "'step'" MINIMIZE "'minimize'" OVER "'over'" WITH "'with'"
%token VALIDATE "'validate'" ON "'on'" SPLIT "'split'" SCAN "'scan'" ALONG "'along'" REVERSE "'reverse'" CARRY "'carry'"
%token <token> OPTION "option" REDUCE "reduction"
%token ARROW "'->'" LARROW "'<-'" ELLIPSIS "'...'"
%token PIPE "'|>'" RANGE "'..'" OR "'||'" AND "'&&'" EQ "'=='" NE "'!='" LE "'<='" GE "'>='" POW "'**'"

/* A reduction reaches as far right as it can, but not over a pipe. */
%left PIPE
%precedence REDUCE_BODY
%nonassoc RANGE
%left OR
%left AND
%nonassoc EQ NE '<' LE '>' GE
%left '+' '-'
%left '*' '/' '%'
%precedence UNARY
%right POW

%type <decls> decls
%type <decl> decl head_rest
%type <formals> formals formal_list
%type <formal> formal
%type <token> opt_alias
%type <type> type opt_type
%type <types> results type_list
%type <dims> dims dim_list
%type <dim> dim
%type <block> block
%type <stmts> stmts
%type <stmt> line stmt if_tail
%type <lefts> lefts
%type <left> left
%type <exprs> exprs opt_over list_items
%type <expr> expr postfix primary value opt_init opt_expr if_expr opt_with
%type <args> args arg_list
%type <arg> arg
%type <indices> indices
%type <index> index
%type <names> names
%type <scan> scan
%type <scans> scan_items scan_item carries carry_list
%type <flag> opt_reverse

%%
file: decls { p->file->decls = $1->data; p->file->n_decls = $1->len; }

decls: %empty { $$ = LIST_NEW(p, DeclVec); }
     | decls NEWLINE
     | decls decl NEWLINE { if ($2) PUSH($1, decl_done(p, $2)); $$ = $1; }
     | decls error NEWLINE { yyerrok; $$ = $1; }

/* ---- declarations ---- */
decl: FN NAME head_rest        { $$ = $3; $$->kind = D_FN; $$->name = name_of(p, TOKEN($2)); $$->span = @$; }
    | LAYER NAME head_rest     { $$ = $3; $$->kind = D_LAYER; $$->name = name_of(p, TOKEN($2)); $$->span = @$; }
    | NET NAME head_rest       { $$ = $3; $$->kind = D_NET; $$->name = name_of(p, TOKEN($2)); $$->span = @$; }
    | OPTIMIZER NAME head_rest { $$ = $3; $$->kind = D_OPTIMIZER; $$->name = name_of(p, TOKEN($2)); $$->span = @$; }
    | TRAIN NAME block         { $$ = decl_new(p, D_TRAIN, name_of(p, TOKEN($2)), @$); decl_body(p, $$, NULL, $3); }
    | IMPORT STRING            { $$ = decl_new(p, D_IMPORT, (NameRef){ 0 }, @$); $$->path = TOKEN($2)->text; }
    | IMPORT STRING AS NAME    { $$ = decl_new(p, D_IMPORT, (NameRef){ 0 }, @$); $$->path = TOKEN($2)->text;
                                 $$->as = name_of(p, TOKEN($4)); }
    | line                     { $$ = decl_from_stmt(p, $1); }

head_rest: formals results block    { $$ = decl_new(p, D_FN, (NameRef){ 0 }, @$); decl_body(p, $$, NULL, $3);
                                      $$->formals = $1->data; $$->n_formals = $1->len;
                                      $$->results = $2->data; $$->n_results = $2->len; }
         | formals results '=' expr { $$ = decl_new(p, D_FN, (NameRef){ 0 }, @$); decl_body(p, $$, $4, NULL);
                                      $$->formals = $1->data; $$->n_formals = $1->len;
                                      $$->results = $2->data; $$->n_results = $2->len; }

formals: '(' ')'                 { $$ = LIST_NEW(p, FormalVec); }
       | '(' formal_list ')'     { $$ = $2; }
       | '(' formal_list ',' ')' { $$ = $2; }
formal_list: formal                 { $$ = LIST_NEW(p, FormalVec); PUSH($$, $1); }
           | formal_list ',' formal { $$ = $1; PUSH($$, $3); }
formal: NAME opt_alias opt_type opt_init {
          if ($2 >= 0 && TOKEN($2)->newline_before)
              parser_error(p, parser_span(p, @1.end, @1.end), "expected ',' or ')' before end of line");
          Formal f = { .name = name_of(p, TOKEN($1)), .alias = $2 < 0 ? NULL : TOKEN($2)->text,
                       .type = $3, .init = $4, .span = @$ };
          $$ = formal_done(p, f); }
opt_alias: %empty { $$ = -1; } | NAME
opt_type: %empty { $$ = NULL; } | ':' type { $$ = $2; }
opt_init: %empty { $$ = NULL; } | '=' expr { $$ = $2; }

results: %empty                  { $$ = LIST_NEW(p, TypeVec); }
       | ARROW type_list         { $$ = $2; }
       | ARROW '(' type_list ')' { $$ = $3; }
type_list: type               { $$ = LIST_NEW(p, TypeVec); PUSH($$, $1); }
         | type_list ',' type { $$ = $1; PUSH($$, $3); }

type: NAME      { $$ = LIST_NEW(p, TypeExpr); *$$ = (TypeExpr){ .name = TOKEN($1)->text, .span = @$ }; }
    | NAME dims { $$ = LIST_NEW(p, TypeExpr); *$$ = (TypeExpr){ .name = TOKEN($1)->text, .has_shape = true,
                    .dims = $2->data, .n_dims = $2->len, .span = @$ }; }
dims: '[' ']'              { $$ = LIST_NEW(p, DimVec); }
    | '[' dim_list ']'     { $$ = $2; }
    | '[' dim_list ',' ']' { $$ = $2; }
dim_list: dim              { $$ = LIST_NEW(p, DimVec); PUSH($$, $1); }
        | dim_list ',' dim { $$ = $1; PUSH($$, $3); }
dim: expr          { $$ = (Dim){ .expr = $1, .span = @$ }; }
   | ELLIPSIS      { $$ = (Dim){ .rest = true, .span = @$ }; }
   | ELLIPSIS NAME { $$ = (Dim){ .rest = true, .rest_name = TOKEN($2)->text, .span = @$ }; }

/* ---- statements ---- */
block: '{' stmts '}' { $$ = block_new(p, $2, @$); }
stmts: %empty { $$ = LIST_NEW(p, StmtVec); }
     | stmts NEWLINE
     | stmts line NEWLINE { $$ = $1; PUSH($$, $2); }
     | stmts error NEWLINE { yyerrok; $$ = $1; PUSH($$, stmt_new(p, S_BAD, @2)); }
line: stmt { $$ = stmt_done(p, $1); }

stmt: lefts                    { $$ = stmt_expr(p, $1, @$); }
    | lefts '=' value          { $$ = stmt_let(p, $1, $3, @$); }
    | expr LARROW expr         { LeftVec l = { 0 }; PUSH(&l, (Left){ $1, NULL });
                                 $$ = stmt_let(p, &l, $3, @$); $$->kind = S_ARROW; }
    | RETURN value             { $$ = stmt_new(p, S_RETURN, @$); $$->value = $2; }
    | YIELD value              { $$ = stmt_new(p, S_YIELD, @$); $$->value = $2; }
    | PARAM NAME opt_type opt_init { $$ = stmt_named(p, S_PARAM, $2, $3, $4, @$); }
    | STATE NAME opt_type opt_init { $$ = stmt_named(p, S_STATE, $2, $3, $4, @$); }
    | SLOT NAME opt_type opt_init  { $$ = stmt_named(p, S_SLOT, $2, $3, $4, @$); }
    | DATA NAME opt_type opt_init  { $$ = stmt_named(p, S_DATA, $2, $3, $4, @$); }
    | NOISE NAME opt_type opt_init { $$ = stmt_named(p, S_NOISE, $2, $3, $4, @$); }
    | METRIC NAME '=' expr     { $$ = stmt_named(p, S_METRIC, $2, NULL, $4, @$); }
    | OPTION expr              { $$ = stmt_named(p, S_OPTION, $1, NULL, $2, @$); }
    | ASSERT expr              { $$ = stmt_new(p, S_ASSERT, @$); $$->value = $2; }
    | ASSERT expr ',' STRING   { $$ = stmt_new(p, S_ASSERT, @$); $$->value = $2; $$->message = TOKEN($4)->text; }
    | IF_STMT expr block if_tail { $$ = stmt_if(p, $2, $3, block_of(p, $4), @$); }
    | FOR NAME IN expr block   { $$ = stmt_new(p, S_FOR, @$);
                                 $$->targets = ARENA_NEW(p->arena, Target); $$->n_targets = 1;
                                 $$->targets->name = name_of(p, TOKEN($2)); $$->value = $4; $$->block = $5; }
    | MINIMIZE expr opt_over opt_with { $$ = stmt_new(p, S_MINIMIZE, @$); $$->value = $2; $$->with = $4;
                                 $$->over = $3->data; $$->n_over = $3->len; }
    | VALIDATE ON exprs        { $$ = stmt_new(p, S_VALIDATE, @$); $$->items = $3->data; $$->n_items = $3->len; }
    | VALIDATE SPLIT expr      { $$ = stmt_new(p, S_VALIDATE, @$); $$->split = true; $$->value = $3; }
    | STEP NAME block          { $$ = stmt_named(p, S_STEP, $2, NULL, NULL, @$); $$->block = $3; }

if_tail: %empty                  { $$ = NULL; }
       | ELSE block              { $$ = stmt_if(p, NULL, NULL, $2, @$); }
       | ELSE IF expr block if_tail { $$ = stmt_height(p, stmt_if(p, $3, $4, block_of(p, $5), span_join(@2, @$))); }

lefts: left           { $$ = LIST_NEW(p, LeftVec); PUSH($$, $1); }
     | lefts ',' left { $$ = $1; PUSH($$, $3); }
left: expr          { $$ = (Left){ $1, NULL }; }
    | expr ':' type { $$ = (Left){ $1, $3 }; }
value: exprs { $$ = expr_value(p, $1, @$); }
exprs: expr           { $$ = LIST_NEW(p, ExprVec); PUSH($$, $1); }
     | exprs ',' expr { $$ = $1; PUSH($$, $3); }
opt_over: %empty { $$ = LIST_NEW(p, ExprVec); } | OVER exprs { $$ = $2; }
opt_with: %empty { $$ = NULL; } | WITH expr { $$ = $2; }

/* ---- expressions ---- */
expr: postfix
    | expr PIPE expr  { $$ = expr_pipe(p, $1, $3, @$, @2.begin); }
    | expr RANGE expr { $$ = expr_range(p, $1, $3, @$); }
    | expr OR expr    { $$ = expr_binary(p, OP_OR, $1, $3, @$); }
    | expr AND expr   { $$ = expr_binary(p, OP_AND, $1, $3, @$); }
    | expr EQ expr    { $$ = expr_binary(p, OP_EQ, $1, $3, @$); }
    | expr NE expr    { $$ = expr_binary(p, OP_NE, $1, $3, @$); }
    | expr '<' expr   { $$ = expr_binary(p, OP_LT, $1, $3, @$); }
    | expr LE expr    { $$ = expr_binary(p, OP_LE, $1, $3, @$); }
    | expr '>' expr   { $$ = expr_binary(p, OP_GT, $1, $3, @$); }
    | expr GE expr    { $$ = expr_binary(p, OP_GE, $1, $3, @$); }
    | expr '+' expr   { $$ = expr_binary(p, OP_ADD, $1, $3, @$); }
    | expr '-' expr   { $$ = expr_binary(p, OP_SUB, $1, $3, @$); }
    | expr '*' expr   { $$ = expr_binary(p, OP_MUL, $1, $3, @$); }
    | expr '/' expr   { $$ = expr_binary(p, OP_DIV, $1, $3, @$); }
    | expr '%' expr   { $$ = expr_binary(p, OP_MOD, $1, $3, @$); }
    | expr POW expr   { $$ = expr_binary(p, OP_POW, $1, $3, @$); }
    | '-' expr %prec UNARY { $$ = expr_unary(p, OP_NEG, $2, @$); }
    | '!' expr %prec UNARY { $$ = expr_unary(p, OP_NOT, $2, @$); }
    | REDUCE '(' names ')' expr %prec REDUCE_BODY { $$ = expr_reduce(p, TOKEN($1), $3, $5, @$); }

postfix: primary
       | postfix '(' args ')'    { $$ = expr_call(p, $1, $3, @$, @2); }
       | postfix '[' indices ']' { $$ = expr_index(p, $1, $3, @$); }
       | postfix '.' NAME        { $$ = expr_member(p, $1, TOKEN($3), @$); }

primary: NAME   { $$ = expr_literal(p, E_NAME, TOKEN($1)); }
       | INT    { $$ = expr_literal(p, E_INT, TOKEN($1)); }
       | FLOAT  { $$ = expr_literal(p, E_FLOAT, TOKEN($1)); }
       | STRING { $$ = expr_literal(p, E_STRING, TOKEN($1)); }
       | TRUE   { $$ = expr_literal(p, E_BOOL, TOKEN($1)); $$->ivalue = 1; }
       | FALSE  { $$ = expr_literal(p, E_BOOL, TOKEN($1)); }
       | '(' value ')'  { $$ = $2; $$->span = @$; $$->parenthesised = true; }
       | list_items ']' { $$ = expr_items(p, E_LIST, $1, @$); }
       | if_expr
       | SCAN scan      { $$ = expr_scan(p, $2, @$); }

list_items: '['            { $$ = LIST_NEW(p, ExprVec); }
          | '[' exprs      { $$ = $2; }
          | '[' exprs ','  { $$ = $2; }

if_expr: IF expr block                { $$ = expr_if(p, $2, $3, NULL, NULL, @$); }
       | IF expr block ELSE block     { $$ = expr_if(p, $2, $3, $5, NULL, @$); }
       | IF expr block ELSE if_expr   { $$ = expr_if(p, $2, $3, NULL, $5, @$); }

scan: scan_items ALONG expr opt_reverse carries block {
        $$ = LIST_NEW(p, Scan);
        *$$ = (Scan){ .items = $1->data, .n_items = $1->len, .along = $3, .reverse = $4,
                      .carries = $5->data, .n_carries = $5->len, .body = $6 }; }
scan_items: scan_item | scan_items ',' scan_item { $$ = $1; PUSH($$, $3->data[0]); }
scan_item: NAME IN expr { $$ = LIST_NEW(p, ScanVec); PUSH($$, (struct ScanItem){ name_of(p, TOKEN($1)), $3 }); }
opt_reverse: %empty { $$ = false; } | REVERSE { $$ = true; }
carries: %empty { $$ = LIST_NEW(p, ScanVec); } | CARRY carry_list { $$ = $2; }
carry_list: NAME '=' expr { $$ = LIST_NEW(p, ScanVec); PUSH($$, (struct ScanItem){ name_of(p, TOKEN($1)), $3 }); }
          | carry_list ',' NAME '=' expr { $$ = $1; PUSH($$, (struct ScanItem){ name_of(p, TOKEN($3)), $5 }); }

names: NAME           { $$ = LIST_NEW(p, NameVec); PUSH($$, name_of(p, TOKEN($1))); }
     | names ',' NAME { $$ = $1; PUSH($$, name_of(p, TOKEN($3))); }

args: %empty { $$ = LIST_NEW(p, ArgVec); } | arg_list | arg_list ','
arg_list: arg              { $$ = LIST_NEW(p, ArgVec); PUSH($$, $1); }
        | arg_list ',' arg { $$ = $1; PUSH($$, $3); }
arg: expr          { $$ = (Arg){ .value = $1 }; }
   | NAME '=' expr { NameRef n = name_of(p, TOKEN($1)); $$ = (Arg){ n.name, n.span, $3 }; }

indices: index             { $$ = LIST_NEW(p, IndexVec); PUSH($$, $1); }
       | indices ',' index { $$ = $1; PUSH($$, $3); }
index: expr     { $$ = (Index){ .kind = IX_EXPR, .expr = $1, .span = @$ }; }
     | ELLIPSIS { $$ = (Index){ .kind = IX_REST, .span = @$ }; }
     | opt_expr ':' opt_expr { $$ = (Index){ IX_SLICE, $1, $3, NULL, @$ }; }
     | opt_expr ':' opt_expr ':' opt_expr { $$ = (Index){ IX_SLICE, $1, $3, $5, @$ }; }
opt_expr: %empty { $$ = NULL; } | expr
%%

static int dsl_yylex(DSL_YYSTYPE *value, Span *at, Parser *p)
{
    if (p->skip_to >= 0)
        p->next = p->skip_to;
    p->skip_to = -1;
    int i = p->next < p->tokens.len ? p->next : p->tokens.len - 1;
    const Token *t = &p->tokens.data[i];
    p->next = i + 1;
    value->token = i;
    *at = parser_span(p, t->begin, t->end);
    return t->kind;
}

static int yyreport_syntax_error(const yypcontext_t *context, Parser *p)
{
    yysymbol_kind_t kinds[YYNTOKENS];
    const char *names[YYNTOKENS];
    int n = yypcontext_expected_tokens(context, kinds, YYNTOKENS);
    for (int i = 0; i < n; i++)
        names[i] = yysymbol_name(kinds[i]);
    report_syntax(p, names, n > 0 ? n : 0);
    return 0;
}

/* Only "memory exhausted" comes here: thousands of operators that wait for their right side. */
static void dsl_yyerror(Span *at, Parser *p, const char *message)
{
    (void)message;
    if (!p->too_deep)
        parser_error(p, *at, "expression nested too deeply");
    p->too_deep = true;
}
