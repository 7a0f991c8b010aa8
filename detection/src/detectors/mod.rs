//! The detectors: one file each, with a fixture file of the same stem in `fixtures/`, and one line in this list.

use crate::Detector;

macro_rules! detectors {
    ($($name:ident,)*) => {
        $(mod $name;)*
        /// Every detector, in the order in which they run.
        pub(crate) static ALL: &[&Detector] = &[$(&$name::DETECTOR,)*];
    };
}

detectors! {
    sqli,
    nosqli,
    ldapi,
    xpathi,
    cmdexe,
    traversal,
    ssrf,
    aws_ssrf,
    rfi,
    response_split,
    maili,
    shellshock,
    user_agent,
    scanner,
    cve,
    oob_domain,
    open_redirect,
    prompt_injection,
    private_file,
    graphql_ide,
    null_byte,
    xss,
    ssi,
    esi,
    log4j_jndi,
    xxe,
    proto_pollution,
    deserialization,
    upload,
    session_fixation,
    backdoor,
    code_injection,
    java_injection,
    script_injection,
    ssti,
}
