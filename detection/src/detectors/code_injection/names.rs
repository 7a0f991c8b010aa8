//! Names that say what a call does, and in which language.

/// How much a name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Power {
    /// It runs commands or code, or opens the way to it.
    Runs,
    /// It reads or writes files, connects, or shows the runtime's insides.
    Reaches,
    /// A function of the language that attacks use among others.
    Ordinary,
}

/// PHP's functions in lower case, sorted.
static PHP: &[(&str, Power)] = &[
    ("apache_child_terminate", Power::Reaches),
    ("apache_getenv", Power::Reaches),
    ("apache_setenv", Power::Reaches),
    ("array_diff_uassoc", Power::Ordinary),
    ("array_filter", Power::Reaches),
    ("array_map", Power::Reaches),
    ("array_reduce", Power::Ordinary),
    ("array_walk", Power::Ordinary),
    ("assert", Power::Runs),
    ("assert_options", Power::Reaches),
    ("base64_decode", Power::Reaches),
    ("bin2hex", Power::Ordinary),
    ("bzdecompress", Power::Ordinary),
    ("call_user_func", Power::Runs),
    ("call_user_func_array", Power::Runs),
    ("call_user_method", Power::Runs),
    ("chgrp", Power::Reaches),
    ("chmod", Power::Reaches),
    ("chown", Power::Reaches),
    ("chr", Power::Ordinary),
    ("constant", Power::Ordinary),
    ("convert_uudecode", Power::Reaches),
    ("copy", Power::Ordinary),
    ("create_function", Power::Runs),
    ("curl_exec", Power::Reaches),
    ("curl_init", Power::Reaches),
    ("define", Power::Ordinary),
    ("die", Power::Ordinary),
    ("dirname", Power::Ordinary),
    ("dl", Power::Runs),
    ("echo", Power::Ordinary),
    ("error_log", Power::Reaches),
    ("error_reporting", Power::Reaches),
    ("escapeshellarg", Power::Reaches),
    ("escapeshellcmd", Power::Reaches),
    ("eval", Power::Runs),
    ("exec", Power::Runs),
    ("exit", Power::Ordinary),
    ("expect_popen", Power::Runs),
    ("explode", Power::Ordinary),
    ("extract", Power::Ordinary),
    ("fgets", Power::Reaches),
    ("file", Power::Ordinary),
    ("file_exists", Power::Reaches),
    ("file_get_contents", Power::Reaches),
    ("file_put_contents", Power::Runs),
    ("filter_var", Power::Ordinary),
    ("fopen", Power::Reaches),
    ("forward_static_call", Power::Runs),
    ("fpassthru", Power::Reaches),
    ("fputcsv", Power::Reaches),
    ("fputs", Power::Reaches),
    ("fread", Power::Reaches),
    ("fsockopen", Power::Reaches),
    ("ftp_connect", Power::Reaches),
    ("func_get_args", Power::Ordinary),
    ("function_exists", Power::Reaches),
    ("fwrite", Power::Reaches),
    ("get_cfg_var", Power::Reaches),
    ("get_current_user", Power::Reaches),
    ("get_defined_constants", Power::Reaches),
    ("get_defined_functions", Power::Reaches),
    ("get_defined_vars", Power::Reaches),
    ("getallheaders", Power::Reaches),
    ("getcwd", Power::Reaches),
    ("getenv", Power::Reaches),
    ("getmyuid", Power::Reaches),
    ("glob", Power::Ordinary),
    ("gzdecode", Power::Reaches),
    ("gzinflate", Power::Reaches),
    ("gzuncompress", Power::Reaches),
    ("hex2bin", Power::Ordinary),
    ("highlight_file", Power::Reaches),
    ("html_entity_decode", Power::Ordinary),
    ("implode", Power::Ordinary),
    ("include", Power::Ordinary),
    ("ini_get", Power::Reaches),
    ("ini_get_all", Power::Reaches),
    ("ini_set", Power::Reaches),
    ("intval", Power::Ordinary),
    ("is_array", Power::Ordinary),
    ("is_callable", Power::Ordinary),
    ("is_dir", Power::Ordinary),
    ("is_file", Power::Ordinary),
    ("join", Power::Ordinary),
    ("json_decode", Power::Ordinary),
    ("link", Power::Ordinary),
    ("mail", Power::Ordinary),
    ("md5", Power::Ordinary),
    ("mkdir", Power::Ordinary),
    ("move_uploaded_file", Power::Runs),
    ("mysqli_query", Power::Reaches),
    ("ob_start", Power::Reaches),
    ("opendir", Power::Reaches),
    ("openlog", Power::Ordinary),
    ("ord", Power::Ordinary),
    ("pack", Power::Ordinary),
    ("parse_ini_file", Power::Reaches),
    ("parse_str", Power::Reaches),
    ("passthru", Power::Runs),
    ("pcntl_exec", Power::Runs),
    ("pcntl_fork", Power::Runs),
    ("pfsockopen", Power::Reaches),
    ("php_uname", Power::Reaches),
    ("phpcredits", Power::Reaches),
    ("phpinfo", Power::Runs),
    ("phpversion", Power::Reaches),
    ("popen", Power::Runs),
    ("posix_getpwuid", Power::Reaches),
    ("posix_getuid", Power::Reaches),
    ("posix_kill", Power::Reaches),
    ("preg_replace", Power::Reaches),
    ("preg_replace_callback", Power::Reaches),
    ("print", Power::Ordinary),
    ("print_r", Power::Ordinary),
    ("printf", Power::Ordinary),
    ("proc_open", Power::Runs),
    ("putenv", Power::Reaches),
    ("readdir", Power::Reaches),
    ("readfile", Power::Reaches),
    ("readgzfile", Power::Reaches),
    ("realpath", Power::Ordinary),
    ("register_shutdown_function", Power::Runs),
    ("register_tick_function", Power::Runs),
    ("rename", Power::Ordinary),
    ("require", Power::Ordinary),
    ("require_once", Power::Ordinary),
    ("rmdir", Power::Ordinary),
    ("scandir", Power::Reaches),
    ("serialize", Power::Ordinary),
    ("session_start", Power::Ordinary),
    ("set_error_handler", Power::Reaches),
    ("shell_exec", Power::Runs),
    ("show_source", Power::Reaches),
    ("simplexml_load_file", Power::Reaches),
    ("simplexml_load_string", Power::Reaches),
    ("sleep", Power::Ordinary),
    ("socket_connect", Power::Reaches),
    ("socket_create", Power::Reaches),
    ("spl_autoload", Power::Reaches),
    ("sprintf", Power::Ordinary),
    ("sqlite_open", Power::Reaches),
    ("str_replace", Power::Ordinary),
    ("str_rot13", Power::Reaches),
    ("stream_get_contents", Power::Reaches),
    ("stream_socket_client", Power::Reaches),
    ("strip_tags", Power::Ordinary),
    ("stripslashes", Power::Ordinary),
    ("strrev", Power::Ordinary),
    ("strtolower", Power::Ordinary),
    ("substr", Power::Ordinary),
    ("symlink", Power::Reaches),
    ("syslog", Power::Ordinary),
    ("system", Power::Runs),
    ("tempnam", Power::Ordinary),
    ("tmpfile", Power::Ordinary),
    ("touch", Power::Ordinary),
    ("uasort", Power::Ordinary),
    ("ucfirst", Power::Ordinary),
    ("uksort", Power::Ordinary),
    ("unlink", Power::Reaches),
    ("unpack", Power::Ordinary),
    ("unserialize", Power::Reaches),
    ("urldecode", Power::Ordinary),
    ("usort", Power::Ordinary),
    ("var_dump", Power::Reaches),
    ("var_export", Power::Reaches),
    ("xmlrpc_decode", Power::Reaches),
    ("zend_version", Power::Reaches),
];

/// What a PHP function does. Families with many members are known by their prefixes.
pub(super) fn php(name: &[u8]) -> Option<Power> {
    let mut lower = [0; 64];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    if let Ok(at) = PHP.binary_search_by(|(known, _)| known.as_bytes().cmp(lower)) {
        return Some(PHP[at].1);
    }
    const FAMILIES: &[&[u8]] = &[
        b"pg_", b"mysql_", b"mysqli_", b"sqlite_", b"oci_", b"odbc_", b"curl_", b"ftp_", b"ssh2_", b"posix_", b"pcntl_", b"socket_", b"stream_", b"openssl_", b"xml_", b"zip_",
        b"apc_", b"ini_", b"ob_", b"get_defined_", b"array_", b"session_", b"gz", b"bz", b"ldap_", b"imap_", b"snmp", b"proc_", b"shmop_", b"runkit_", b"imagecreatefrom", b"sodium_", b"zlib_", b"mb_", b"iconv_", b"mcrypt_", b"hash_",
    ];
    let underscored = memchr::memchr(b'_', lower).is_some();
    FAMILIES.iter().any(|family| lower.starts_with(family) && lower.len() > family.len() + 2 && (underscored || family.len() > 4)).then_some(Power::Ordinary)
}

/// Settings of PHP whose change opens the way to code, lower case.
pub(super) static SETTINGS: &[&[u8]] = &[
    b"allow_url_include", b"allow_url_fopen", b"auto_prepend_file", b"auto_append_file", b"disable_functions", b"disable_classes", b"open_basedir", b"safe_mode",
    b"suhosin.simulation", b"cgi.force_redirect", b"cgi.redirect_status_env", b"enable_dl", b"extension_dir", b"register_globals", b"magic_quotes_gpc", b"memory_limit",
    b"mbstring.regex_retry_limit", b"session.save_path", b"include_path", b"error_prepend_string", b"highlight.string", b"unserialize_callback_func", b"zend.assertions",
    b"display_errors", b"max_execution_time", b"opcache.file_cache", b"ffi.enable", b"short_open_tag", b"user_ini.filename", b"doc_root", b"sendmail_path", b"assert.callback",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(PHP.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(php(b"SYSTEM"), Some(Power::Runs));
        assert_eq!(php(b"hello"), None);
    }
}
