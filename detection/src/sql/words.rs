//! The words of SQL that the recogniser knows, and what each of them does to a sentence.
//!
//! A sorted table in the binary: nothing is built at start. It knows words only, never what surrounds them.

/// What a word does in the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// A name of the schema, or any word that the grammar does not know.
    Plain,
    /// `or`, `and`, `xor`: joins two conditions.
    Bool,
    /// `not`, `binary`, `exists` …: stands before an operand.
    Prefix,
    /// `null`, `true`, `false`, `default`: a constant.
    Constant,
    /// `current_user` and other functions that need no parentheses.
    Niladic,
    /// `like`, `regexp`, `in`, `is` …: compares.
    Compare,
    /// `between`: compares, and its `and` joins nothing.
    Between,
    /// `div`, `mod`, `collate`, `escape` …: joins two operands to one.
    Infix,
    /// `isnull`, `asc`, `desc` …: stands after an operand and needs nothing.
    Suffix,
    /// `union`, `intersect`, `except`, `minus`.
    Union,
    /// `select`.
    Select,
    /// `all`, `distinct`, `top` …: after `select` or `union`.
    Quantifier,
    /// `from`.
    From,
    /// `where`, `on`: begins a condition.
    Where,
    /// `having`.
    Having,
    /// `group`, `order`, `partition`: want `by`.
    Group,
    /// `by`.
    By,
    /// `limit`, `offset`, `fetch`, `top`.
    Limit,
    /// `procedure`.
    Procedure,
    /// `into`.
    Into,
    /// `outfile`, `dumpfile`.
    Outfile,
    /// `join` and what leads to it.
    Join,
    /// `as`.
    As,
    /// `case`.
    Case,
    /// `when`, `then`, `else`: parts of a `case`.
    Branch,
    /// `end`.
    End,
    /// `set`.
    Set,
    /// `values`, `value`.
    Values,
    /// `for`, `with`, `using`, `over`: a clause that the grammar reads leniently.
    Clause,
    /// A statement that changes or defines: `drop`, `insert`, `alter` …
    Change,
    /// A statement that runs something: `exec`, `execute`, `call` …
    Exec,
    /// `waitfor`.
    Waitfor,
    /// `delay`, `time` after `waitfor`.
    Delay,
    /// Statements that scripts begin with: `declare`, `begin`, `if`, `while`, `print` …
    Script,
    /// `shutdown`.
    Shutdown,
    /// A word that names what a definition is about: `table`, `database`, `user` …
    Object,
    /// A function of this kind when a parenthesis follows, otherwise a name.
    Call(Call),
    /// A table, view or schema of the database's own catalogue.
    Catalogue,
    /// A table that exists so that a select has something to select from: `dual`.
    Dual,
    /// What `show` shows.
    Objects,
    /// `analyse`, after `procedure`.
    Analyse,
}

/// What calling a function means to an attacker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// It waits, or burns time: `sleep`.
    Delay,
    /// It waits, and no other language has a function of its name: `pg_sleep`.
    SureDelay,
    /// Its error message shows data: `extractvalue`.
    Error,
    /// It reads files, opens connections or runs commands.
    Outside,
    /// It tells about the server: `version`, `user`.
    Server,
    /// It builds or cuts text, which blind injections do letter by letter.
    Text,
    /// It decides: `if`, `iif`, `nullif`.
    Choice,
}

use Call::{Choice, Delay as Sleeps, Error, Outside, Server, SureDelay, Text};
use Word::{
    As, Between, Bool, Branch, By, Case, Catalogue, Change, Clause, Compare, Constant, Delay, End, Exec,
    From, Group, Having, Infix, Into, Join, Limit, Niladic, Object, Outfile, Prefix, Procedure, Quantifier,
    Script, Select, Set, Shutdown, Suffix, Union, Values, Waitfor, Where,
};

const fn call(kind: Call) -> Word {
    Word::Call(kind)
}

/// Sorted by name; [`word`] searches it.
static WORDS: &[(&str, Word)] = &[
    ("aes_decrypt", call(Text)),
    ("aes_encrypt", call(Text)),
    ("all", Quantifier),
    ("all_objects", Catalogue),
    ("all_tab_columns", Catalogue),
    ("all_tables", Catalogue),
    ("all_users", Catalogue),
    ("alter", Change),
    ("analyse", Word::Analyse),
    ("and", Bool),
    ("any", Prefix),
    ("apply", Join),
    ("array_agg", call(Text)),
    ("as", As),
    ("asc", Suffix),
    ("ascii", call(Text)),
    ("assembly", Object),
    ("attach", Change),
    ("backup", Change),
    ("begin", Script),
    ("benchmark", call(SureDelay)),
    ("between", Between),
    ("bin", call(Text)),
    ("binary", Prefix),
    ("bitand", call(Text)),
    ("bulk", Change),
    ("by", By),
    ("call", Exec),
    ("case", Case),
    ("cast", call(Text)),
    ("char", call(Text)),
    ("char_length", call(Text)),
    ("character_length", call(Text)),
    ("chr", call(Text)),
    ("close", Script),
    ("coalesce", call(Choice)),
    ("collate", Infix),
    ("column", Object),
    ("columns", Word::Objects),
    ("commit", Script),
    ("concat", call(Text)),
    ("concat_ws", call(Text)),
    ("connection_id", call(Server)),
    ("contains", Compare),
    ("conv", call(Text)),
    ("convert", call(Text)),
    ("copy", Change),
    ("count", call(Text)),
    ("crc32", call(Text)),
    ("create", Change),
    ("cross", Join),
    ("crypt_key", call(Error)),
    ("current", Prefix),
    ("current_catalog", Niladic),
    ("current_database", call(Server)),
    ("current_date", Niladic),
    ("current_schema", Niladic),
    ("current_setting", call(Server)),
    ("current_time", Niladic),
    ("current_timestamp", Niladic),
    ("current_user", Niladic),
    ("database", call(Server)),
    ("database_principals", Catalogue),
    ("database_to_xml", call(Outside)),
    ("databases", Word::Objects),
    ("datediff", call(Text)),
    ("datepart", call(Text)),
    ("db_name", call(Server)),
    ("dba_tables", Catalogue),
    ("dba_users", Catalogue),
    ("dbcc", Change),
    ("dblink", call(Outside)),
    ("dblink_connect", call(Outside)),
    ("deallocate", Script),
    ("declare", Script),
    ("decode", call(Choice)),
    ("delay", Delay),
    ("delete", Change),
    ("desc", Suffix),
    ("describe", Script),
    ("detach", Change),
    ("distinct", Quantifier),
    ("distinctrow", Quantifier),
    ("div", Infix),
    ("do", Script),
    ("drithsx", call(Outside)),
    ("drop", Change),
    ("dual", Word::Dual),
    ("dumpfile", Outfile),
    ("else", Branch),
    ("elt", call(Choice)),
    ("encode", call(Text)),
    ("end", End),
    ("escape", Infix),
    ("except", Union),
    ("exec", Exec),
    ("execute", Exec),
    ("exists", Prefix),
    ("exp", call(Error)),
    ("explain", Script),
    ("extract", call(Text)),
    ("extractvalue", call(Error)),
    ("false", Constant),
    ("fetch", Limit),
    ("field", call(Choice)),
    ("for", Clause),
    ("from", From),
    ("full", Join),
    ("function", Object),
    ("generate_series", call(Text)),
    ("geometrycollection", call(Error)),
    ("get_host_address", call(Outside)),
    ("get_host_name", call(Outside)),
    ("get_lock", call(SureDelay)),
    ("getdate", call(Text)),
    ("getmappingxpath", call(Outside)),
    ("glob", Compare),
    ("go", Script),
    ("grant", Change),
    ("grants", Word::Objects),
    ("greatest", call(Choice)),
    ("group", Group),
    ("group_concat", call(Text)),
    ("gtid_subset", call(Error)),
    ("gtid_subtract", call(Error)),
    ("handler", Change),
    ("has_dbaccess", call(Server)),
    ("having", Having),
    ("hex", call(Text)),
    ("host_name", call(Server)),
    ("httpuritype", call(Outside)),
    ("if", call(Choice)),
    ("ifnull", call(Choice)),
    ("iif", call(Choice)),
    ("ilike", Compare),
    ("in", Compare),
    ("index", Object),
    ("information_schema", Catalogue),
    ("inner", Join),
    ("innodb_table_stats", Catalogue),
    ("insert", Change),
    ("instr", call(Text)),
    ("intersect", Union),
    ("interval", Prefix),
    ("into", Into),
    ("is", Compare),
    ("is_member", call(Server)),
    ("is_srvrolemember", call(Server)),
    ("isnull", Suffix),
    ("join", Join),
    ("json_array_length", call(Choice)),
    ("json_depth", call(Choice)),
    ("json_extract", call(Text)),
    ("json_keys", call(Error)),
    ("json_length", call(Choice)),
    ("json_object", call(Text)),
    ("json_value", call(Text)),
    ("kill", Script),
    ("lateral", Join),
    ("least", call(Choice)),
    ("left", Join),
    ("len", call(Text)),
    ("length", call(Text)),
    ("like", Compare),
    ("limit", Limit),
    ("linestring", call(Error)),
    ("listagg", call(Text)),
    ("lo_export", call(Outside)),
    ("lo_import", call(Outside)),
    ("load", Change),
    ("load_extension", call(Outside)),
    ("load_file", call(Outside)),
    ("locate", call(Text)),
    ("lock", Script),
    ("login", Object),
    ("lower", call(Text)),
    ("lpad", call(Text)),
    ("ltrim", call(Text)),
    ("make_set", call(Choice)),
    ("master_pos_wait", call(SureDelay)),
    ("match", Prefix),
    ("md5", call(Text)),
    ("merge", Change),
    ("mid", call(Text)),
    ("minus", Union),
    ("mod", Infix),
    ("msysaccessobjects", Catalogue),
    ("msysobjects", Catalogue),
    ("multilinestring", call(Error)),
    ("multipoint", call(Error)),
    ("multipolygon", call(Error)),
    ("mysql", Word::Plain),
    ("name_const", call(Error)),
    ("natural", Join),
    ("nchar", call(Text)),
    ("not", Prefix),
    ("notnull", Suffix),
    ("now", call(Text)),
    ("null", Constant),
    ("nullif", call(Choice)),
    ("nulls", Clause),
    ("nvl", call(Choice)),
    ("object_id", call(Server)),
    ("octet_length", call(Text)),
    ("offset", Limit),
    ("on", Where),
    ("open", Script),
    ("openquery", call(Outside)),
    ("openrowset", call(Outside)),
    ("or", Bool),
    ("ord", call(Text)),
    ("order", Group),
    ("outer", Join),
    ("outfile", Outfile),
    ("over", Clause),
    ("partition", Group),
    ("password", call(Text)),
    ("pg_catalog", Catalogue),
    ("pg_class", Catalogue),
    ("pg_database", Catalogue),
    ("pg_ls_dir", call(Outside)),
    ("pg_read_binary_file", call(Outside)),
    ("pg_read_file", call(Outside)),
    ("pg_roles", Catalogue),
    ("pg_shadow", Catalogue),
    ("pg_sleep", call(SureDelay)),
    ("pg_sleep_for", call(SureDelay)),
    ("pg_stat_file", call(Outside)),
    ("pg_tables", Catalogue),
    ("pg_user", Catalogue),
    ("polygon", call(Error)),
    ("position", call(Text)),
    ("pragma", Change),
    ("prepare", Script),
    ("print", Script),
    ("prior", Prefix),
    ("procedure", Procedure),
    ("processlist", Word::Objects),
    ("qualify", Having),
    ("query_to_xml", call(Outside)),
    ("quote", call(Text)),
    ("quotename", call(Text)),
    ("raiserror", Script),
    ("rand", call(Text)),
    ("randomblob", call(SureDelay)),
    ("rawtohex", call(Text)),
    ("rdb$database", Word::Dual),
    ("rdb$relations", Catalogue),
    ("receive_message", call(SureDelay)),
    ("reconfigure", Script),
    ("regexp", Compare),
    ("regexp_instr", call(Text)),
    ("regexp_like", call(Text)),
    ("regexp_substr", call(Text)),
    ("regexp_substring", call(Text)),
    ("release_lock", call(SureDelay)),
    ("rename", Change),
    ("repeat", call(Text)),
    ("replace", call(Text)),
    ("reset", Script),
    ("restore", Change),
    ("return", Script),
    ("returning", Clause),
    ("reverse", call(Text)),
    ("revoke", Change),
    ("right", Join),
    ("rlike", Compare),
    ("role", Object),
    ("rollback", Script),
    ("row", Prefix),
    ("row_count", call(Server)),
    ("rownum", Word::Plain),
    ("rpad", call(Text)),
    ("rtrim", call(Text)),
    ("savepoint", Script),
    ("schema", call(Server)),
    ("schemata", Catalogue),
    ("select", Select),
    ("separator", Infix),
    ("sequence", Object),
    ("serverproperty", call(Server)),
    ("session_user", Niladic),
    ("set", Set),
    ("sha", call(Text)),
    ("sha1", call(Text)),
    ("show", Script),
    ("shutdown", Shutdown),
    ("similar", Compare),
    ("sleep", call(Sleeps)),
    ("some", Prefix),
    ("soname", Clause),
    ("sounds", Compare),
    ("sqlite_master", Catalogue),
    ("sqlite_schema", Catalogue),
    ("sqlite_temp_master", Catalogue),
    ("sqlite_version", call(Server)),
    ("st_latfromgeohash", call(Error)),
    ("st_longfromgeohash", call(Error)),
    ("st_pointfromgeohash", call(Error)),
    ("start", Script),
    ("status", Word::Objects),
    ("straight_join", Join),
    ("strcmp", call(Choice)),
    ("string_agg", call(Text)),
    ("stuff", call(Text)),
    ("substr", call(Text)),
    ("substring", call(Text)),
    ("suser_name", call(Server)),
    ("suser_sname", call(Server)),
    ("sys_context", call(Server)),
    ("sys_eval", call(Outside)),
    ("sys_exec", call(Outside)),
    ("syscat", Catalogue),
    ("syscolumns", Catalogue),
    ("sysdatabases", Catalogue),
    ("sysdate", Niladic),
    ("sysibm", Catalogue),
    ("sysmaster", Catalogue),
    ("sysobjects", Catalogue),
    ("systables", Catalogue),
    ("system_user", Niladic),
    ("sysusers", Catalogue),
    ("table", Object),
    ("tables", Word::Objects),
    ("tablespace", Object),
    ("temp", Object),
    ("temporary", Object),
    ("then", Branch),
    ("time", Delay),
    ("to", Infix),
    ("to_char", call(Text)),
    ("to_number", call(Text)),
    ("top", Quantifier),
    ("trigger", Object),
    ("trim", call(Text)),
    ("true", Constant),
    ("truncate", Change),
    ("unhex", call(Text)),
    ("unicode", call(Text)),
    ("union", Union),
    ("unistr", call(Text)),
    ("unknown", Constant),
    ("unlock", Script),
    ("update", Change),
    ("updatexml", call(Error)),
    ("upper", call(Text)),
    ("use", Script),
    ("user", call(Server)),
    ("user_name", call(Server)),
    ("user_tab_columns", Catalogue),
    ("user_tables", Catalogue),
    ("using", Clause),
    ("uuid", call(Server)),
    ("v$instance", Catalogue),
    ("v$version", Catalogue),
    ("vacuum", Change),
    ("values", Values),
    ("variables", Word::Objects),
    ("version", call(Server)),
    ("view", Object),
    ("waitfor", Waitfor),
    ("warnings", Word::Objects),
    ("when", Branch),
    ("where", Where),
    ("while", Script),
    ("window", Clause),
    ("with", Clause),
    ("within", Clause),
    ("xmlagg", call(Text)),
    ("xmlelement", call(Text)),
    ("xmltable", call(Text)),
    ("xmltype", call(Error)),
    ("xor", Bool),
    ("xp_cmdshell", call(Outside)),
];

/// Longest word of the table.
const LONGEST: usize = 32;

/// Where the words of each initial letter begin.
static INITIALS: [u16; 27] = initials();

/// For each first letter, the lengths of the words that start with it, as bits: most names are none of them.
static LENGTHS: [u64; 26] = {
    let (mut lengths, mut at) = ([0; 26], 0);
    while at < WORDS.len() {
        let name = WORDS[at].0.as_bytes();
        lengths[(name[0] - b'a') as usize] |= 1 << name.len();
        at += 1;
    }
    lengths
};

const fn initials() -> [u16; 27] {
    let mut starts = [0; 27];
    let (mut letter, mut at) = (0, 0);
    while letter < 27 {
        while at < WORDS.len() && WORDS[at].0.as_bytes()[0] < b'a' + letter as u8 {
            at += 1;
        }
        starts[letter] = at as u16;
        letter += 1;
    }
    starts
}

/// What a word does. `text` is in any case.
pub(crate) fn word(text: &[u8]) -> Word {
    let Some(&first) = text.first() else { return Word::Plain };
    let initial = usize::from(first.to_ascii_lowercase().wrapping_sub(b'a'));
    if initial >= 26 || text.len() > LONGEST {
        return Word::Plain;
    }
    let group = usize::from(INITIALS[initial])..usize::from(INITIALS[initial + 1]);
    if LENGTHS[initial] >> text.len() & 1 == 0 {
        return family(text);
    }
    let found = WORDS[group].iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(text));
    found.map_or_else(|| family(text), |&(_, word)| word)
}

/// Words that are known by how they begin: the packages and procedures that servers come with.
fn family(text: &[u8]) -> Word {
    const FAMILIES: &[(&str, Word)] = &[
        ("xp_", Word::Call(Outside)),
        ("sp_", Word::Call(Server)),
        ("utl_", Word::Call(Outside)),
        ("dbms_", Word::Call(Server)),
        ("ctxsys", Word::Call(Outside)),
    ];
    let known = |&&(start, _): &&(&str, Word)| {
        text.get(..start.len()).is_some_and(|prefix| prefix.eq_ignore_ascii_case(start.as_bytes()))
    };
    FAMILIES.iter().find(known).map_or(Word::Plain, |&(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_word_is_found() {
        assert!(WORDS.is_sorted_by(|a, b| a.0 < b.0));
        for (name, known) in WORDS {
            assert!(name.len() <= LONGEST, "{name}");
            assert_eq!(word(name.to_ascii_uppercase().as_bytes()), *known, "{name}");
        }
        assert_eq!(word(b"shakespeare"), Word::Plain);
        assert_eq!(word(b"xp_dirtree"), call(Outside));
    }
}
