//! Files that nobody asks for through a parameter, by directory grammar rather than by a list of paths.
//!
//! Paths come folded, with `/` as the only separator; letter case does not matter.

use crate::lengths::Lengths;

/// How telling a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sensitivity {
    /// A file of the system, a server or an application: telling where the whole value is that path.
    System,
    /// A file that is read for its secrets, or to prove that it can be read.
    Secret,
}

/// How telling a folded path is. It looks at its names only, not at how far up it walks.
pub(crate) fn sensitivity(path: &[u8]) -> Option<Sensitivity> {
    let named = path.iter().position(|byte| !matches!(byte, b'/' | b'.' | b'?')).unwrap_or(0);
    let end = path
        .iter()
        .skip(named)
        .position(|byte| matches!(byte, 0 | b'?' | b'#'))
        .map_or(path.len(), |at| at + named);
    let path = path.get(..end).unwrap_or_default();
    let mut names = Names::default();
    let mut found = None;
    for segment in path.split(|byte| *byte == b'/') {
        let name = bare(segment);
        if name.is_empty() || name.iter().all(|byte| *byte == b'.') {
            continue;
        }
        found = found.max(names.next(name));
    }
    found.max(rooted(path))
}

/// Whether a path is a folder of the system as such, which people name and commands list.
pub(crate) fn is_system_folder(path: &[u8]) -> bool {
    let Some(rest) = path.strip_prefix(b"/") else { return false };
    let mut names = rest.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
    let (first, second) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
    let root = is(first, &[b"etc", b"root", b"proc", b"home", b"boot", b"sys"]) && second.is_empty();
    let below = is(first, &[b"var"]) && is(second, &[b"log", b"www", b"task", b"runtime", b"spool", b"lib"])
        || is(first, &[b"usr"]) && is(second, &[b"local", b"bin", b"sbin", b"lib"]);
    root || below && names.next().is_none()
}

/// The same for what a path reaches after it climbed: far enough up, what follows is absolute.
pub(crate) fn sensitivity_above(path: &[u8]) -> Option<Sensitivity> {
    let at = path.windows(3).rposition(|window| window == b"../")?;
    sensitivity(path.get(at + 2..).unwrap_or_default())
}

/// A segment without path parameters, alternate streams and trailing dots or blanks.
fn bare(segment: &[u8]) -> &[u8] {
    let end = segment
        .iter()
        .skip(1)
        .position(|byte| matches!(byte, b';' | b':'))
        .map_or(segment.len(), |at| at + 1);
    let mut name = segment.get(..end).unwrap_or_default();
    while let [head @ .., b' ' | b'.'] = name {
        name = head;
    }
    // `a....web-inf`: the separators were filtered away.
    let start = name.windows(2).rposition(|window| window == b"..").map_or(0, |at| at + 2);
    let name = name.get(start..).unwrap_or_default();
    match name {
        [b'.', tail @ ..] if is(tail, &[b"etc", b"web-inf"]) => tail,
        _ => name,
    }
}

fn is(name: &[u8], known: &[&[u8]]) -> bool {
    known.iter().any(|other| other.eq_ignore_ascii_case(name))
}

fn starts(name: &[u8], known: &[&[u8]]) -> bool {
    known.iter().any(|other| name.get(..other.len()).is_some_and(|head| head.eq_ignore_ascii_case(other)))
}

static SECRET_LENGTHS: Lengths = Lengths::of(SECRET);
/// Folders in which some names are secrets.
static FOLDER_LENGTHS: Lengths = Lengths::of(&[
    b"etc",
    b"self",
    b"1",
    b"thread-self",
    b"proc",
    b"web-inf",
    b".aws",
    b".git",
    b".svn",
    b".hg",
    b"windows",
    b"winnt",
    b"system32",
    b".ssh",
    b".gnupg",
]);

/// The folder that the walk is in, as far as it decides what the next name means.
#[derive(Default)]
struct Names<'p> {
    before: &'p [u8],
}

impl<'p> Names<'p> {
    fn next(&mut self, name: &'p [u8]) -> Option<Sensitivity> {
        let before = std::mem::replace(&mut self.before, name);
        // What the kernel tells everybody proves a read, and gives nothing away.
        let kernel = &[&b"version"[..], b"cpuinfo", b"meminfo", b"mounts", b"partitions", b"modules"];
        if before.eq_ignore_ascii_case(b"proc") && is(name, kernel) {
            return Some(Sensitivity::System);
        }
        let secret = if !FOLDER_LENGTHS.may_have(before) {
            false
        } else if is(before, &[b"etc"]) {
            is(name, ETC) || starts(name, &[b"passwd", b"shadow"])
        } else if is(before, &[b"self", b"1", b"thread-self"]) {
            is(
                name,
                &[
                    b"environ", b"cmdline", b"maps", b"fd", b"cwd", b"root", b"exe", b"status", b"stat",
                    b"mounts",
                ],
            )
        } else if is(before, &[b"proc"]) {
            is(name, &[b"cmdline"])
        } else if is(before, &[b"web-inf"]) {
            !is(name, &[b"jsp", b"views", b"lib"]) && !name.to_ascii_lowercase().ends_with(b".jsp")
        } else if is(before, &[b".aws"]) {
            is(name, &[b"credentials", b"config"])
        } else if is(before, &[b".git"]) {
            is(name, &[b"config", b"head", b"index", b"logs", b"refs", b"objects"])
        } else if is(before, &[b".svn", b".hg"]) {
            is(name, &[b"entries", b"wc.db", b"hgrc", b"store"])
        } else if is(before, &[b"windows", b"winnt"]) {
            is(name, &[b"win.ini", b"system.ini", b"system32", b"repair", b"panther", b"debug", b"php.ini"])
        } else if is(before, &[b"system32"]) {
            is(
                name,
                &[b"drivers", b"config", b"inetsrv", b"cmd.exe", b"license.rtf", b"logfiles", b"sysprep"],
            ) || name.ends_with(b".ini")
        } else {
            is(before, &[b".ssh", b".gnupg"])
        };
        (secret || SECRET_LENGTHS.may_have(name) && is(name, SECRET)).then_some(Sensitivity::Secret)
    }
}

/// Names under `etc` that prove a read.
static ETC: &[&[u8]] = &[
    b"passwd",
    b"passwd-",
    b"shadow",
    b"shadow-",
    b"group",
    b"gshadow",
    b"hosts",
    b"issue",
    b"hostname",
    b"fstab",
    b"resolv.conf",
    b"sudoers",
    b"crontab",
    b"motd",
    b"mtab",
    b"os-release",
    b"profile",
    b"master.passwd",
    b"security",
    b"ssh",
    b"ssl",
    b"httpd",
    b"apache2",
    b"nginx",
    b"mysql",
    b"php.ini",
    b"my.cnf",
    b"proftpd.conf",
    b"redhat-release",
    b"debian_version",
    b"lsb-release",
    b"inetd.conf",
    b"exports",
    b"bashrc",
    b"networks",
];

/// Names that are telling wherever they stand.
static SECRET: &[&[u8]] = &[
    b"win.ini",
    b"boot.ini",
    b"etcpasswd",
    b"web-infweb.xml",
    b"wp-config.php",
    b".htpasswd",
    b".htaccess",
    b".bash_history",
    b".mysql_history",
    b".pgpass",
    b".netrc",
    b"id_rsa",
    b"id_dsa",
    b"id_ed25519",
    b"id_ecdsa",
    b"authorized_keys",
    b"ntuser.dat",
    b"httpd.conf",
    b"my.cnf",
    b"sam._",
    b"system.ini",
    b"autoexec.bat",
    b".env",
    b".pass",
    b".passwd",
];

/// Absolute paths below folders of the system. `path` is the whole of it.
fn rooted(path: &[u8]) -> Option<Sensitivity> {
    let drive = match path {
        [letter, b':', b'/', rest @ ..] if letter.is_ascii_alphabetic() => Some(rest),
        [b'/', letter, b':', b'/', rest @ ..] if letter.is_ascii_alphabetic() => Some(rest),
        _ => None,
    };
    if let Some(rest) = drive {
        return windows(rest);
    }
    let [b'/', rest @ ..] = path else { return None };
    let root = rest.split(|byte| *byte == b'/').find(|name| !name.is_empty() && *name != b".")?;
    if !ROOT_LENGTHS.may_have(root) && !starts(root, SERVERS) {
        return None;
    }
    let mut names = rest.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
    let (first, second) = (names.next()?, names.next().unwrap_or_default());
    // A folder as such is a place that people name; a file in it is what is read.
    let third = names.next().unwrap_or_default();
    let last = rest.rsplit(|byte| *byte == b'/').find(|name| !name.is_empty()).unwrap_or_default();
    let middle = |known: &[&[u8]]| rest.split(|byte| *byte == b'/').skip(1).any(|name| is(name, known));
    let server_file = || middle(SERVER_FOLDERS) || is_configuration(last);
    let whole_folder = is(first, &[b"etc", b"program files", b"program files (x86)"]) && !second.is_empty()
        || (is(first, &[b"usr"])
            && is(second, &[b"local", b"lib", b"libexec", b"pkg", b"ports"])
            && !third.is_empty()
            && !is(third, &[b"bin", b"sbin", b"lib"])
            && !is_code(last));
    let found = if whole_folder {
        true
    } else if is(first, &[b"var"])
        && (third.is_empty() || is(second, &[b"www"]) && !last.contains(&b'.') && !is_configuration(last))
    {
        false
    } else if is(first, &[b"proc"]) {
        is(
            second,
            &[
                b"self",
                b"net",
                b"sys",
                b"version",
                b"cpuinfo",
                b"stat",
                b"filesystems",
                b"interrupts",
                b"ioports",
                b"config.gz",
                b"[0-9]*",
                b"devices",
                b"uptime",
                b"cmdline",
            ],
        ) || is(
            second,
            &[b"loadavg", b"meminfo", b"modules", b"mounts", b"partitions", b"swaps", b"sched_debug"],
        ) || (!second.is_empty() && second.iter().all(u8::is_ascii_digit))
    } else if is(first, &[b"var"]) {
        is(
            second,
            &[
                b"log", b"adm", b"www", b"spool", b"mail", b"cpanel", b"webmin", b"apache", b"apache2",
                b"cron",
            ],
        ) || is(
            second,
            &[b"lib", b"run", b"local", b"nm2", b"data", b"logs", b"db", b"backups", b"task", b"runtime"],
        )
    } else if is(first, &[b"run"]) {
        is(second, &[b"secrets"]) && !third.is_empty()
    } else if is(first, &[b"root"]) {
        starts(second, &[b"."]) || is_configuration(last)
    } else if is(first, &[b"home", b"users"]) {
        middle(&[b".ssh", b".bashrc", b".profile", b".bash_profile", b".config", b".logout", b".zshrc"])
            || is_configuration(last)
    } else if is(
        first,
        &[b"usr", b"opt", b"srv", b"www", b"private", b"bitnami", b"mnt", b"app", b"volumes", b"library"],
    ) || starts(first, SERVERS)
    {
        server_file()
    } else {
        is(first, &[b"logs", b"log", b"usr", b"conf", b"bin", b"web", b"etc", b"sbin", b"boot"])
            && is_configuration(last)
    };
    found.then_some(Sensitivity::System)
}

/// Folders at the root below which something may be telling.
static ROOT_LENGTHS: Lengths = Lengths::of(&[
    b"etc",
    b"program files",
    b"program files (x86)",
    b"usr",
    b"var",
    b"proc",
    b"run",
    b"root",
    b"home",
    b"users",
    b"opt",
    b"srv",
    b"www",
    b"private",
    b"bitnami",
    b"mnt",
    b"app",
    b"volumes",
    b"library",
    b"logs",
    b"log",
    b"conf",
    b"bin",
    b"web",
    b"sbin",
    b"boot",
]);

/// What the names of servers' own folders at the root begin with.
static SERVERS: &[&[u8]] = &[b"apache", b"php", b"xampp", b"mysql", b"nginx", b"httpd", b"tomcat"];

/// Folders in which servers keep configuration and logs.
static SERVER_FOLDERS: &[&[u8]] =
    &[b"conf", b"etc", b"logs", b"log", b"cpanel", b"security", b"spool", b"pure-ftpd", b"private", b"ports"];

/// Files of libraries: traces and linters name them, and there is nothing in them to read.
fn is_code(name: &[u8]) -> bool {
    let extension = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    name.contains(&b'.')
        && is(
            extension,
            &[
                b"py", b"so", b"rb", b"jar", b"js", b"mjs", b"h", b"hpp", b"a", b"class", b"pm", b"go",
                b"rs", b"ts",
            ],
        )
}

/// Files that configure or log rather than content.
fn is_configuration(name: &[u8]) -> bool {
    let extension = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    name.contains(&b'.')
        && is(
            extension,
            &[
                b"conf",
                b"cnf",
                b"ini",
                b"log",
                b"cfg",
                b"inf",
                b"pem",
                b"key",
                b"passwd",
                b"pwd",
                b"err",
                b"properties",
            ],
        )
        || name.windows(6).any(|window| window.eq_ignore_ascii_case(b".conf."))
        || is(name, &[b"error_log", b"access_log", b"sshd_config", b"config.inc.php", b"passwd", b"shadow"])
}

/// Paths with a drive letter, without the letter.
fn windows(rest: &[u8]) -> Option<Sensitivity> {
    let mut names = rest.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
    let first = names.next().unwrap_or_default();
    let last = rest.rsplit(|byte| *byte == b'/').find(|name| !name.is_empty()).unwrap_or_default();
    let system = is(
        first,
        &[b"windows", b"winnt", b"inetpub", b"sysprep", b"minint", b"boot", b"recovery", b"documents"],
    ) || starts(
        first,
        &[
            b"program",
            b"apache",
            b"xampp",
            b"wamp",
            b"appserv",
            b"php",
            b"mysql",
            b"nginx",
            b"unattend",
            b"sysprep",
        ],
    ) || starts(
        first,
        &[b"mysql", b"httpd", b"home", b"iis", b"perflogs", b"$recycle", b"pagefile", b"hiberfil"],
    );
    (system
        || (names.next().is_none() && is_configuration(last))
        || is_configuration(last) && !is(first, &[b"users"]))
    .then_some(Sensitivity::System)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_wherever_they_stand() {
        for path in [
            "../../etc/passwd",
            "/x/WEB-INF/web.xml",
            "a/.ssh/id_rsa",
            "c:/windows/win.ini",
            "/proc/self/environ",
            "x/.git/config",
        ] {
            assert_eq!(sensitivity(path.as_bytes()), Some(Sensitivity::Secret), "{path}");
        }
    }

    #[test]
    fn system_files_are_known_by_their_folder() {
        for path in [
            "/etc/anything.d/x",
            "/var/log/app/today",
            "/usr/local/thing/conf/main",
            "/opt/x/logs/y",
            "C:/Program Files/a/b",
        ] {
            assert_eq!(sensitivity(path.as_bytes()), Some(Sensitivity::System), "{path}");
        }
    }

    #[test]
    fn content_is_not() {
        for path in [
            "/api/v1/items",
            "/usr/share/icons/a.png",
            "../src/index.js",
            "/home",
            "images/etc.png",
            "/users/7/profile",
            "C:/Users/me/photo.jpg",
        ] {
            assert_eq!(sensitivity(path.as_bytes()), None, "{path}");
        }
    }
}
