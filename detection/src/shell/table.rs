//! The commands of Unix systems and of Windows, by the arguments that they take.

/// Which arguments make sense for a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing, options, or a path.
    Little,
    /// At least one path or option.
    Path,
    /// A number, and nothing else.
    Number,
    /// A host, an address, a URL or options.
    Host,
    /// A script, `-c` with code, or its standard input.
    Code,
    /// Anything.
    Anything,
    /// One of a few words of its own.
    Verb,
}

/// A command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// What it takes.
    pub takes: Takes,
    /// Whether its name is a common word of texts or data.
    pub common: bool,
}

/// For each first letter, the lengths of the names that start with it, as bits.
static LENGTHS: [u32; 128] = {
    let mut lengths = [0; 128];
    let tables = [LITTLE, PATH, HOST, CODE, NUMBER, ANYTHING, VERB];
    let mut table = 0;
    while table < tables.len() {
        let mut at = 0;
        while at < tables[table].len() {
            let name = tables[table][at];
            lengths[name[0] as usize & 127] |= 1 << name.len();
            at += 1;
        }
        table += 1;
    }
    lengths
};

/// Whether a name may be one of a command, by its first letter and its length alone.
pub(crate) fn may_be(first: u8, len: usize) -> bool {
    let lengths = LENGTHS.get(usize::from(first.to_ascii_lowercase())).copied().unwrap_or_default();
    len < 32 && (lengths & 1 << len != 0 || matches!(first | 0x20, b'p' | b'r' | b'l' | b'n' | b't'))
}

/// Finds a command by its lower-case name.
pub(crate) fn find(name: &[u8]) -> Option<Entry> {
    if !may_be(*name.first()?, name.len()) {
        return None;
    }
    let common = COMMON.binary_search(&name).is_ok();
    let has = |list: &[&[u8]]| list.binary_search(&name).is_ok();
    let takes = if has(LITTLE) {
        Takes::Little
    } else if has(PATH) {
        Takes::Path
    } else if has(HOST) {
        Takes::Host
    } else if has(CODE) || versioned(name) {
        Takes::Code
    } else if has(NUMBER) {
        Takes::Number
    } else if has(ANYTHING) {
        Takes::Anything
    } else if has(VERB) {
        Takes::Verb
    } else {
        return None;
    };
    Some(Entry { takes, common })
}

/// `python3.11`, `php8`, `perl5`.
fn versioned(name: &[u8]) -> bool {
    let base = name.iter().position(u8::is_ascii_digit).and_then(|at| name.get(..at)).unwrap_or_default();
    matches!(base, b"python" | b"php" | b"perl" | b"ruby" | b"lua" | b"node" | b"tclsh")
        && name.iter().skip(base.len()).all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

/// Names that are also words of ordinary texts, field names or values.
static COMMON: &[&[u8]] = &[
    b"alias",
    b"at",
    b"base64",
    b"batch",
    b"cancel",
    b"cat",
    b"clear",
    b"column",
    b"command",
    b"comment",
    b"cut",
    b"date",
    b"df",
    b"dig",
    b"dir",
    b"disable",
    b"du",
    b"echo",
    b"enable",
    b"env",
    b"export",
    b"false",
    b"fc",
    b"file",
    b"find",
    b"finger",
    b"fold",
    b"free",
    b"ftp",
    b"gem",
    b"groups",
    b"head",
    b"history",
    b"host",
    b"hostname",
    b"id",
    b"info",
    b"install",
    b"ip",
    b"join",
    b"kill",
    b"last",
    b"less",
    b"link",
    b"ln",
    b"local",
    b"locate",
    b"logout",
    b"look",
    b"mail",
    b"make",
    b"man",
    b"more",
    b"mount",
    b"move",
    b"net",
    b"nice",
    b"nl",
    b"node",
    b"od",
    b"open",
    b"passwd",
    b"paste",
    b"path",
    b"ping",
    b"pr",
    b"print",
    b"printf",
    b"ps",
    b"query",
    b"read",
    b"reboot",
    b"reg",
    b"rename",
    b"replace",
    b"reset",
    b"route",
    b"sc",
    b"screen",
    b"script",
    b"sed",
    b"select",
    b"service",
    b"set",
    b"sh",
    b"shutdown",
    b"size",
    b"sleep",
    b"sort",
    b"source",
    b"split",
    b"start",
    b"strings",
    b"strip",
    b"su",
    b"tail",
    b"test",
    b"time",
    b"timeout",
    b"top",
    b"touch",
    b"tree",
    b"true",
    b"type",
    b"uptime",
    b"users",
    b"ver",
    b"view",
    b"vol",
    b"w",
    b"wait",
    b"watch",
    b"wc",
    b"which",
    b"who",
    b"write",
    b"yes",
];

/// They work alone.
static LITTLE: &[&[u8]] = &[
    b"arch",
    b"arp",
    b"blkid",
    b"compgen",
    b"date",
    b"df",
    b"dir",
    b"dmesg",
    b"dmidecode",
    b"du",
    b"env",
    b"finger",
    b"free",
    b"getmac",
    b"groups",
    b"history",
    b"hostid",
    b"hostname",
    b"hostnamectl",
    b"id",
    b"ifconfig",
    b"ipconfig",
    b"iptables",
    b"jobs",
    b"last",
    b"lastlog",
    b"logname",
    b"ls",
    b"lsb_release",
    b"lsblk",
    b"lscpu",
    b"lshw",
    b"lsmod",
    b"lsof",
    b"lspci",
    b"lsusb",
    b"mount",
    b"netstat",
    b"nproc",
    b"pinky",
    b"poweroff",
    b"printenv",
    b"ps",
    b"pstree",
    b"pwd",
    b"reboot",
    b"route",
    b"runlevel",
    b"shutdown",
    b"ss",
    b"sw_vers",
    b"sysinfo",
    b"systeminfo",
    b"tasklist",
    b"top",
    b"true",
    b"tty",
    b"uname",
    b"uptime",
    b"users",
    b"vdir",
    b"ver",
    b"vmstat",
    b"vol",
    b"w",
    b"who",
    b"whoami",
];

/// They read, write or search files.
static PATH: &[&[u8]] = &[
    b"7z",
    b"7za",
    b"ar",
    b"awk",
    b"base32",
    b"base64",
    b"basenc",
    b"bsdtar",
    b"bunzip2",
    b"bzcat",
    b"bzip2",
    b"cat",
    b"cd",
    b"chattr",
    b"chgrp",
    b"chmod",
    b"chown",
    b"cksum",
    b"cmp",
    b"column",
    b"comm",
    b"copy",
    b"cp",
    b"cpio",
    b"cut",
    b"dd",
    b"del",
    b"diff",
    b"dos2unix",
    b"egrep",
    b"erase",
    b"expand",
    b"fgrep",
    b"file",
    b"find",
    b"findstr",
    b"fmt",
    b"fold",
    b"gawk",
    b"grep",
    b"gunzip",
    b"gzip",
    b"hd",
    b"head",
    b"hexdump",
    b"icacls",
    b"iconv",
    b"install",
    b"join",
    b"less",
    b"link",
    b"ln",
    b"locate",
    b"mawk",
    b"md",
    b"md5sum",
    b"mkdir",
    b"mkfifo",
    b"mknod",
    b"more",
    b"move",
    b"mv",
    b"nano",
    b"nl",
    b"od",
    b"paste",
    b"pax",
    b"pr",
    b"rd",
    b"readlink",
    b"realpath",
    b"ren",
    b"rev",
    b"rm",
    b"rmdir",
    b"rsync",
    b"sed",
    b"sha1sum",
    b"sha256sum",
    b"shred",
    b"shuf",
    b"sort",
    b"split",
    b"stat",
    b"strings",
    b"tac",
    b"tail",
    b"takeown",
    b"tar",
    b"tee",
    b"touch",
    b"tr",
    b"tree",
    b"truncate",
    b"type",
    b"uniq",
    b"unlink",
    b"unzip",
    b"uuencode",
    b"vi",
    b"vim",
    b"wc",
    b"xcopy",
    b"xxd",
    b"xz",
    b"xzcat",
    b"zcat",
    b"zip",
    b"zless",
    b"zmore",
    b"zstd",
    b"zstdcat",
];

/// They talk to other machines.
static HOST: &[&[u8]] = &[
    b"aria2c",
    b"axel",
    b"bitsadmin",
    b"certutil",
    b"curl",
    b"dig",
    b"fetch",
    b"ftp",
    b"getent",
    b"host",
    b"lwp-download",
    b"lwp-request",
    b"lynx",
    b"mshta",
    b"nbtstat",
    b"nc",
    b"nc.openbsd",
    b"nc.traditional",
    b"ncat",
    b"nmap",
    b"nping",
    b"nslookup",
    b"pathping",
    b"ping",
    b"ping6",
    b"psexec",
    b"regsvr32",
    b"rlogin",
    b"rundll32",
    b"scp",
    b"sftp",
    b"smbclient",
    b"socat",
    b"ssh",
    b"telnet",
    b"tftp",
    b"tracepath",
    b"traceroute",
    b"tracert",
    b"w3m",
    b"wget",
    b"whois",
];

/// They run code.
static CODE: &[&[u8]] = &[
    b"ash",
    b"bash",
    b"busybox",
    b"cmd",
    b"cscript",
    b"csh",
    b"dash",
    b"deno",
    b"eval",
    b"exec",
    b"fish",
    b"gdb",
    b"irb",
    b"jjs",
    b"jrunscript",
    b"ksh",
    b"lua",
    b"mksh",
    b"node",
    b"nodejs",
    b"nohup",
    b"osascript",
    b"perl",
    b"php",
    b"powershell",
    b"pwsh",
    b"python",
    b"rbash",
    b"ruby",
    b"setsid",
    b"sh",
    b"source",
    b"sudo",
    b"tclsh",
    b"tcsh",
    b"wscript",
    b"xargs",
    b"zsh",
];

/// They wait.
static NUMBER: &[&[u8]] = &[b"kill", b"sleep", b"timeout", b"usleep"];

/// They take any words.
static ANYTHING: &[&[u8]] = &[b"echo", b"expr", b"printf"];

/// They take verbs of their own.
static VERB: &[&[u8]] = &[
    b"crontab",
    b"git",
    b"net",
    b"netsh",
    b"reg",
    b"sc",
    b"schtasks",
    b"set",
    b"systemctl",
    b"useradd",
    b"usermod",
    b"wmic",
];

/// The verbs of [`Takes::Verb`] commands.
pub(crate) fn is_verb(name: &[u8], verb: &[u8]) -> bool {
    let verbs: &[&[u8]] = match name {
        b"net" => &[
            b"user",
            b"localgroup",
            b"view",
            b"use",
            b"share",
            b"start",
            b"stop",
            b"group",
            b"accounts",
            b"session",
            b"config",
        ],
        b"netsh" => &[b"advfirewall", b"firewall", b"interface", b"wlan", b"int"],
        b"reg" => &[b"add", b"query", b"save", b"export", b"delete"],
        b"sc" => &[b"query", b"create", b"config", b"stop", b"start", b"delete"],
        b"schtasks" | b"set" => &[b"/create", b"/query", b"/run", b"/a", b"/p"],
        b"systemctl" => &[b"stop", b"start", b"status", b"restart", b"enable", b"disable", b"list-units"],
        b"wmic" => {
            &[b"process", b"os", b"useraccount", b"service", b"product", b"qfe", b"computersystem", b"bios"]
        }
        b"crontab" => &[b"-l", b"-e", b"-r", b"-"],
        b"git" => &[b"clone"],
        _ => return verb.starts_with(b"-"),
    };
    verbs.iter().any(|known| known.eq_ignore_ascii_case(verb))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_so_that_they_can_be_searched() {
        for table in [COMMON, LITTLE, PATH, HOST, CODE, NUMBER, ANYTHING, VERB] {
            for pair in table.windows(2) {
                assert!(pair[0] < pair[1], "{} {}", pair[0].escape_ascii(), pair[1].escape_ascii());
            }
        }
        assert_eq!(find(b"python3.11").map(|entry| entry.takes), Some(Takes::Code));
        assert!(find(b"cats").is_none());
    }
}
