//! The clients that name themselves in a request: attack tools, scanning services, and how their tokens are found.

use std::ops::Range;

use crate::lengths::Lengths;

/// Headers that name the client.
pub(crate) fn names_a_client(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"user-agent")
        || name.eq_ignore_ascii_case(b"x-user-agent")
        || name.eq_ignore_ascii_case(b"x-scanner")
        || name.eq_ignore_ascii_case(b"x-wipp")
}

/// Product tokens of attack tools, lower case, sorted.
static TOOL_TOKENS: &[&[u8]] = &[
    b"absinthe",
    b"acunetix",
    b"arachni",
    b"bbqsql",
    b"betabot",
    b"bfac",
    b"bilbo",
    b"black-widow",
    b"brutus",
    b"bsqlbf",
    b"burpcollaborator",
    b"burpsuite",
    b"cgichk",
    b"chameleon",
    b"cisco-torch",
    b"cmsmap",
    b"commix",
    b"core-project",
    b"crackmapexec",
    b"crowbar",
    b"crlfuzz",
    b"dalfox",
    b"datacha0s",
    b"davtest",
    b"dirb",
    b"dirbuster",
    b"dirsearch",
    b"domino",
    b"dotdotpwn",
    b"droopescan",
    b"evilscanner",
    b"feroxbuster",
    b"ffuf",
    b"fhscan",
    b"fimap",
    b"floodgate",
    b"fuff",
    b"fuzz",
    b"ghauri",
    b"gobuster",
    b"gootkit",
    b"gospider",
    b"grabber",
    b"grendel-scan",
    b"graphql-cop",
    b"graphw00f",
    b"gitleaks",
    b"havij",
    b"hakrawler",
    b"httprint",
    b"httpx-toolkit",
    b"hydra",
    b"inspathx",
    b"internetsecurityscanner",
    b"jaascois",
    b"jaeles",
    b"jbrofuzz",
    b"joomscan",
    b"jorgee",
    b"jsql",
    b"jsqlinjection",
    b"kadimus",
    b"katana",
    b"kiterunner",
    b"lfisuite",
    b"liffy",
    b"libwhisker",
    b"loader.io-attack",
    b"masscan",
    b"medusa",
    b"metasploit",
    b"metis",
    b"morfeus",
    b"mysqloit",
    b"n-stealth",
    b"n-stalker",
    b"naabu",
    b"nessus",
    b"netsparker",
    b"nexpose",
    b"nikto",
    b"nmap",
    b"nosqlmap",
    b"noseyparker",
    b"nsauditor",
    b"nuclei",
    b"openvas",
    b"owasp-zap",
    b"pangolin",
    b"paros",
    b"patator",
    b"pmafind",
    b"prowler-scan",
    b"qualys",
    b"revolt",
    b"rustbuster",
    b"rustscan",
    b"safexplorer",
    b"scanbot",
    b"scandir",
    b"semrushscan",
    b"shortscan",
    b"skipfish",
    b"smuggler",
    b"sn1per",
    b"sql-power-injector",
    b"sqli-hunter",
    b"sqlier",
    b"sqlmap",
    b"sqlninja",
    b"sqlsus",
    b"springenwerk",
    b"ssrfmap",
    b"sstimap",
    b"subdominator",
    b"sysscan",
    b"t34mh4k",
    b"tbi-webscanner",
    b"tinja",
    b"toata",
    b"tplmap",
    b"trufflehog",
    b"tsunamisecurityscanner",
    b"uil2pn",
    b"vega",
    b"voideye",
    b"w00tw00t",
    b"w3af",
    b"w3af.org",
    b"wafw00f",
    b"wapiti",
    b"webbandit",
    b"webcruiser",
    b"webinspect",
    b"webscarab",
    b"webshag",
    b"webtrends-security-analyzer",
    b"webvulnscan",
    b"wfuzz",
    b"whatweb",
    b"whcc",
    b"whisker",
    b"wordpressscan",
    b"wpprobe",
    b"wprecon",
    b"wpscan",
    b"wpsec",
    b"x-scan",
    b"xray",
    b"xsser",
    b"xsstrike",
    b"xspear",
    b"yakit",
    b"zap",
    b"zmeu",
    b"cve-scanner",
    b"poc-scanner",
    b"sslscan",
    b"testssl",
    b"testssl.sh",
    b"struts-pwn",
    b"log4j-scan",
    b"eyewitness",
    b"gowitness",
    b"aquatone",
    b"webfuck",
    b"wpscanteam",
    b"zeroscan",
];

/// Names of tools that hold blanks.
static TOOL_PHRASES: &[&[u8]] = &[
    b"fuzz faster u fool",
    b"nmap scripting engine",
    b"open vulnerability assessment",
    b"grendel scan",
    b"sql power injector",
    b"cgi scanner",
    b"security scanner",
    b"vulnerability scanner",
    b"morfeus fucking scanner",
    b"metasploit rspec",
    b"owasp zap",
    b"webcruiser wvs",
    b"internet ninja",
    b"burp suite",
    b"(hydra)",
    b"mozilla/4.0 (hydra)",
    b"wordpress hash grabber",
    b"web vulnerability",
    b"havij advanced",
    b"s.t.a.l.k.e.r.",
    b".burpcollaborator.net",
    b".oastify.com",
    b".interact.sh",
    b".oast.",
];

/// Product tokens of services that scan the whole internet, lower case.
static SERVICE_TOKENS: &[&[u8]] = &[
    b"binaryedge",
    b"censys",
    b"censysinspect",
    b"cortex-xpanse",
    b"criminalip",
    b"cyberscan.io",
    b"expanse",
    b"expanseinc",
    b"fofa",
    b"internet-measurement",
    b"internet-structure-research-project-bot",
    b"internetmeasurement",
    b"ipip.net",
    b"l9explore",
    b"l9scan",
    b"l9tcpid",
    b"leakix",
    b"leakix.net",
    b"modatscanner",
    b"netcraftsurveyagent",
    b"netlab360",
    b"netsystemsresearch",
    b"nettracebot",
    b"odin",
    b"onyphe",
    b"project-resonance",
    b"quakescanner",
    b"research-scanner",
    b"securityscan",
    b"shadowserver",
    b"shodan",
    b"stretchoid",
    b"visionheight.com",
    b"visionheight",
    b"zgrab",
    b"zoomeye",
    b"zgrab2",
    b"zmap",
];

/// Names of services that hold blanks.
static SERVICE_PHRASES: &[&[u8]] = &[
    b"expanse, a palo alto networks company",
    b"research scan",
    b"internet-wide scan",
    b"internet wide scan",
    b"mj12 security",
    b"alittle client",
    b"network scanner",
    b"palo alto networks",
];

/// Names to look for.
pub(crate) struct Names {
    tokens: &'static [&'static [u8]],
    lengths: Lengths,
    phrases: &'static [&'static [u8]],
    /// For each first byte of a phrase its second bytes, folded to bits.
    starts: [u64; 128],
}

/// Attack tools.
pub(crate) static TOOLS: Names = Names::of(TOOL_TOKENS, TOOL_PHRASES);

/// Services that scan the whole internet.
pub(crate) static SERVICES: Names = Names::of(SERVICE_TOKENS, SERVICE_PHRASES);

impl Names {
    const fn of(tokens: &'static [&'static [u8]], phrases: &'static [&'static [u8]]) -> Self {
        let (mut starts, mut at) = ([0; 128], 0);
        while at < phrases.len() {
            starts[phrases[at][0] as usize] |= 1 << (phrases[at][1] & 63);
            at += 1;
        }
        Self { tokens, lengths: Lengths::of(tokens), phrases, starts }
    }

    fn is_token(&self, word: &[u8]) -> bool {
        self.lengths.may_have(word) && self.tokens.contains(&word)
    }

    /// Where one of the names stands, a name without blanks as a token of its own.
    pub(crate) fn find(&self, agent: &[u8]) -> Option<Range<usize>> {
        let mut lower = [0_u8; 256];
        let mut at = 0;
        while let Some(rest) = agent.get(at..).filter(|rest| !rest.is_empty()) {
            let len = rest.iter().position(|byte| !is_token(*byte)).unwrap_or(rest.len());
            if let (3..=64, Some(copy)) = (len, lower.get_mut(..len)) {
                copy.copy_from_slice(rest.get(..len).unwrap_or_default());
                copy.make_ascii_lowercase();
                let copy = trim(copy);
                // A name inside a host or a longer hyphenated word is somebody else's.
                let head = copy.split(|byte| *byte == b'-').next().unwrap_or_default();
                if self.is_token(copy) || (head.len() >= 5 && head.len() < copy.len() && self.is_token(head))
                {
                    return Some(at..at + len);
                }
            }
            at += len + 1;
        }
        let head = agent.get(..agent.len().min(256)).unwrap_or_default();
        let copy = lower.get_mut(..head.len())?;
        copy.copy_from_slice(head);
        copy.make_ascii_lowercase();
        self.phrase(copy)
    }

    fn phrase(&self, lower: &[u8]) -> Option<Range<usize>> {
        let mut pairs = lower.iter().zip(lower.iter().skip(1)).enumerate();
        pairs.find_map(|(at, (first, second))| {
            let starts = self.starts.get(usize::from(*first)).copied().unwrap_or_default();
            let rest = lower.get(at..).filter(|_| starts >> (second & 63) & 1 != 0)?;
            self.phrases.iter().find(|phrase| rest.starts_with(phrase)).map(|phrase| at..at + phrase.len())
        })
    }
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// Without dots at its ends.
fn trim(token: &[u8]) -> &[u8] {
    let mut token = token;
    while let [b'.' | b'-' | b'_', tail @ ..] = token {
        token = tail;
    }
    while let [head @ .., b'.' | b'-' | b'_'] = token {
        token = head;
    }
    token
}

/// `Mozlila`, `Mozilla/5.g`: what looks like a browser's first token and is not.
pub(crate) fn misspelled(agent: &[u8]) -> bool {
    let token = agent.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let name = agent.get(..token).unwrap_or_default();
    if name == b"Mozilla" {
        let version: Vec<u8> = agent
            .iter()
            .skip(token + 1)
            .take(8)
            .copied()
            .take_while(|byte| !byte.is_ascii_whitespace() && *byte != b'/')
            .collect();
        let letter = version.iter().position(u8::is_ascii_alphabetic);
        return agent.get(token) == Some(&b'/')
            && version.first().is_some_and(u8::is_ascii_digit)
            && letter.is_some_and(|at| at > 1 && version.get(at - 1) == Some(&b'.'));
    }
    let mut letters: Vec<u8> = name.to_ascii_lowercase();
    letters.sort_unstable();
    token == 7 && !name.eq_ignore_ascii_case(b"Mozilla") && letters == b"aillmoz"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_counts_as_a_token_of_its_own_only() {
        assert!(TOOLS.find(b"Mozilla/5.0 (compatible; Nikto/2.5)").is_some());
        assert!(TOOLS.find(b"sqlmap").is_some());
        assert!(TOOLS.find(b"Fuzz Faster U Fool v2").is_some());
        for agent in [
            "Mozilla/5.0 (X11; Linux) Chrome/120 Safari/537.36",
            "python-requests/2.31",
            "Vegas/1.0",
            "curl/8.4",
            "MyZapier/1",
            "facebookexternalhit/1.1",
        ] {
            assert!(TOOLS.find(agent.as_bytes()).is_none(), "{agent}");
            assert!(SERVICES.find(agent.as_bytes()).is_none(), "{agent}");
            assert!(!misspelled(agent.as_bytes()), "{agent}");
        }
        assert!(misspelled(b"Mozlila/5.0 (Linux)") && misspelled(b"Mozilla/5.g"));
    }
}
