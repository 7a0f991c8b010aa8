//! The virtual patches: one entry for each way to exploit one vulnerability.
//!
//! Parts are lower case, and all of them must occur in one value. The first part of every entry is also an anchor of the
//! detector (`detectors/cve.anchors`).

use picket_request::Place;

/// How sure an entry makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Nobody sends it but to exploit.
    Exploit,
    /// It also reads as a probe, or as use of the thing itself.
    Probe,
}

/// One virtual patch.
#[derive(Debug)]
pub(crate) struct Patch {
    /// The vulnerability.
    pub id: &'static str,
    /// What is vulnerable, in a few words.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the catalogue page, through the source"))]
    pub title: &'static str,
    /// Where the parts must stand; anywhere where this is empty.
    pub places: &'static [Place],
    /// What must occur, lower case.
    pub parts: &'static [&'static [u8]],
    /// How sure that makes it.
    pub weight: Weight,
}

/// Every virtual patch.
#[rustfmt::skip]
pub(crate) static ALL: &[Patch] = &[
    Patch { id: "CVE-2014-6271", title: "Shellshock: a function definition imported by bash", places: &[], parts: &[b"() { :"], weight: Weight::Exploit },
    Patch { id: "CVE-2012-1823", title: "PHP-CGI takes the query string for options", places: &[Place::QueryKey, Place::QueryString, Place::Query], parts: &[b"-d", b"allow_url_include"], weight: Weight::Exploit },
    Patch { id: "CVE-2012-1823", title: "PHP-CGI takes the query string for options", places: &[Place::QueryKey, Place::QueryString, Place::Query], parts: &[b"-d", b"auto_prepend_file"], weight: Weight::Exploit },
    Patch { id: "CVE-2024-4577", title: "PHP-CGI on Windows: a soft hyphen becomes the dash of an option", places: &[], parts: &[b"\xad", b"allow_url_include"], weight: Weight::Exploit },
    Patch { id: "CVE-2017-9841", title: "PHPUnit runs what is posted to it", places: &[Place::Path, Place::PathParameter], parts: &[b"/phpunit/", b"eval-stdin.php"], weight: Weight::Exploit },
    Patch { id: "CVE-2017-5638", title: "Struts evaluates the content type", places: &[], parts: &[b"#_memberaccess", b"%{"], weight: Weight::Exploit },
    Patch { id: "CVE-2017-5638", title: "Struts evaluates the content type", places: &[], parts: &[b"ognl.ognlcontext", b"%{"], weight: Weight::Exploit },
    Patch { id: "CVE-2018-11776", title: "Struts evaluates the namespace in the path", places: &[Place::Path, Place::PathParameter], parts: &[b"${", b"ognlcontext"], weight: Weight::Exploit },
    Patch { id: "CVE-2020-17530", title: "Struts evaluates twice: tag attributes", places: &[], parts: &[b"org.apache.commons.collections.beanmap", b"instancemanager"], weight: Weight::Exploit },
    Patch { id: "CVE-2022-22965", title: "Spring4Shell: data binding reaches the class loader", places: &[], parts: &[b"class.module.classloader"], weight: Weight::Exploit },
    Patch { id: "CVE-2022-22963", title: "Spring Cloud Function evaluates a routing header", places: &[], parts: &[b"t(java.lang.runtime)", b"exec("], weight: Weight::Exploit },
    Patch { id: "CVE-2022-22947", title: "Spring Cloud Gateway evaluates route filters", places: &[], parts: &[b"#{", b"t(org.springframework.util.streamutils)"], weight: Weight::Exploit },
    Patch { id: "CVE-2010-1622", title: "Spring data binding reaches the class loader", places: &[], parts: &[b"class.classloader.urls"], weight: Weight::Exploit },
    Patch { id: "CVE-2021-44228", title: "Log4Shell: a JNDI lookup in logged text", places: &[], parts: &[b"${jndi:"], weight: Weight::Exploit },
    Patch { id: "CVE-2021-26295", title: "OFBiz builds any object from SOAP", places: &[], parts: &[b"<cus-obj"], weight: Weight::Exploit },
    Patch { id: "CVE-2018-1000130", title: "Jolokia's proxy connects to a naming service", places: &[], parts: &[b"service:jmx:rmi:///jndi/"], weight: Weight::Exploit },
    Patch { id: "CVE-2021-42392", title: "H2 compiles Java for an alias", places: &[], parts: &[b"create alias", b"throws "], weight: Weight::Exploit },
    Patch { id: "CVE-2021-20837", title: "Movable Type evaluates a handler's name", places: &[], parts: &[b"mt.handler_to_coderef"], weight: Weight::Exploit },
    Patch { id: "CVE-2021-26084", title: "Confluence evaluates OGNL in a page parameter", places: &[], parts: &[b"\\u0027", b"#{", b"\\u0022"], weight: Weight::Exploit },
    Patch { id: "CVE-2022-26134", title: "Confluence evaluates OGNL in the path", places: &[Place::Path, Place::PathParameter], parts: &[b"${", b"@java.lang.runtime@"], weight: Weight::Exploit },
    Patch { id: "CVE-2022-26134", title: "Confluence evaluates OGNL in the path", places: &[Place::Path, Place::PathParameter], parts: &[b"${", b"com.opensymphony.webwork"], weight: Weight::Exploit },
    Patch { id: "CVE-2023-22515", title: "Confluence: the setup is opened again", places: &[], parts: &[b"bootstrapstatusprovider.applicationconfig.setupcomplete"], weight: Weight::Exploit },
    Patch { id: "CVE-2019-3396", title: "Confluence's widget connector reads any template", places: &[], parts: &[b"_template", b"file:///"], weight: Weight::Probe },
    Patch { id: "CVE-2020-5902", title: "F5 TMUI: a path parameter hides the file from the login", places: &[Place::Path, Place::PathParameter], parts: &[b"/tmui/login.jsp/..;/"], weight: Weight::Exploit },
    Patch { id: "CVE-2022-1388", title: "F5 iControl runs commands for a forged hop-by-hop header", places: &[Place::Path, Place::PathParameter], parts: &[b"/mgmt/tm/util/bash"], weight: Weight::Exploit },
    Patch { id: "CVE-2019-19781", title: "Citrix ADC: out of the VPN folder", places: &[Place::Path, Place::PathParameter], parts: &[b"/vpns/", b"../"], weight: Weight::Exploit },
    Patch { id: "CVE-2023-3519", title: "Citrix ADC: too long a SAML query", places: &[Place::Path, Place::PathParameter], parts: &[b"/gwtest/formssso"], weight: Weight::Probe },
    Patch { id: "CVE-2021-34473", title: "ProxyShell: Exchange's autodiscover as a proxy", places: &[], parts: &[b"autodiscover.json", b"@", b"/mapi/nspi"], weight: Weight::Exploit },
    Patch { id: "CVE-2021-34473", title: "ProxyShell: Exchange's autodiscover as a proxy", places: &[], parts: &[b"autodiscover.json", b"@", b"/powershell"], weight: Weight::Exploit },
    Patch { id: "CVE-2021-26855", title: "ProxyLogon: the backend named by a cookie", places: &[], parts: &[b"localhost~", b"?"], weight: Weight::Probe },
    Patch { id: "CVE-2018-20062", title: "ThinkPHP invokes any function", places: &[], parts: &[b"think\\app/invokefunction", b"call_user_func_array"], weight: Weight::Exploit },
    Patch { id: "CVE-2018-20062", title: "ThinkPHP invokes any function", places: &[], parts: &[b"index/think\\app/invokefunction"], weight: Weight::Exploit },
    Patch { id: "CVE-2018-20062", title: "ThinkPHP invokes any function", places: &[], parts: &[b"invokefunction&function=call_user_func_array"], weight: Weight::Exploit },
    Patch { id: "CVE-2019-9082", title: "ThinkPHP: request method override reaches filters", places: &[], parts: &[b"_method=__construct", b"filter[]="], weight: Weight::Exploit },
    Patch { id: "CVE-2019-16759", title: "vBulletin renders a widget of PHP", places: &[], parts: &[b"widgetconfig[code]"], weight: Weight::Exploit },
    Patch { id: "CVE-2020-17496", title: "vBulletin renders a nested widget of PHP", places: &[], parts: &[b"subwidgets", b"widget_php"], weight: Weight::Exploit },
    Patch { id: "CVE-2018-7600", title: "Drupalgeddon 2: render callbacks from a form", places: &[], parts: &[b"#post_render"], weight: Weight::Exploit },
    Patch { id: "CVE-2018-7600", title: "Drupalgeddon 2: render callbacks from a form", places: &[], parts: &[b"#lazy_builder"], weight: Weight::Exploit },
    Patch { id: "CVE-2014-3704", title: "Drupalgeddon: keys of an array in SQL", places: &[Place::QueryKey, Place::FormKey], parts: &[b"name[0;"], weight: Weight::Exploit },
    Patch { id: "CVE-2017-10271", title: "WebLogic decodes objects from SOAP headers", places: &[], parts: &[b"<java", b"java.lang.processbuilder"], weight: Weight::Exploit },
    Patch { id: "CVE-2020-14882", title: "WebLogic's console without login", places: &[Place::Path, Place::PathParameter], parts: &[b"/console/css/", b"consolejndi.portal"], weight: Weight::Exploit },
    Patch { id: "CVE-2020-14882", title: "WebLogic's console without login", places: &[Place::Path, Place::PathParameter], parts: &[b"/console/", b"%2e%2e", b"console.portal"], weight: Weight::Exploit },
    Patch { id: "CVE-2020-14883", title: "WebLogic's console builds any class", places: &[], parts: &[b"com.tangosol.coherence.mvel2.sh.shellsession"], weight: Weight::Exploit },
    Patch { id: "CVE-2020-14883", title: "WebLogic's console builds any class", places: &[], parts: &[b"com.bea.core.repackaged.springframework.context.support.filesystemxmlapplicationcontext"], weight: Weight::Exploit },
    Patch { id: "CVE-2018-1000861", title: "Jenkins: compile-time annotations run code", places: &[], parts: &[b"@grabresolver", b"@grab("], weight: Weight::Exploit },
    Patch { id: "CVE-2018-1000861", title: "Jenkins: compile-time annotations run code", places: &[], parts: &[b"checkscriptcompile", b"@asttest"], weight: Weight::Exploit },
    Patch { id: "CVE-2024-23897", title: "Jenkins' command line expands @ to a file", places: &[Place::Path, Place::PathParameter], parts: &[b"/cli", b"remoting=false"], weight: Weight::Probe },
    Patch { id: "CVE-2021-22205", title: "GitLab: ExifTool evaluates DjVu metadata", places: &[], parts: &[b"atutform", b"djvmdirm", b"qx{"], weight: Weight::Exploit },
    Patch { id: "CVE-2022-27925", title: "Zimbra unpacks a mailbox over its own folders", places: &[Place::Path, Place::PathParameter], parts: &[b"/service/extension/backup/mboximport"], weight: Weight::Probe },
    Patch { id: "CVE-2022-37042", title: "Zimbra unpacks a mailbox without login", places: &[Place::Path, Place::PathParameter], parts: &[b"/service/extension/backup/mboximport"], weight: Weight::Probe },
    Patch { id: "CVE-2019-9670", title: "Zimbra's autodiscover reads external entities", places: &[], parts: &[b"autodiscover", b"<!entity", b"localconfig.xml"], weight: Weight::Exploit },
    Patch { id: "CVE-2018-13379", title: "Fortinet: session file of the VPN", places: &[], parts: &[b"/remote/fgt_lang", b"/dev/cmdb/sslvpn_websession"], weight: Weight::Exploit },
    Patch { id: "CVE-2018-13379", title: "Fortinet: session file of the VPN", places: &[], parts: &[b"dev/cmdb/sslvpn_websession"], weight: Weight::Exploit },
    Patch { id: "CVE-2022-40684", title: "Fortinet: an internal client by its headers", places: &[], parts: &[b"report runner"], weight: Weight::Probe },
    Patch { id: "CVE-2023-34362", title: "MOVEit: SQL through session headers", places: &[], parts: &[b"x-silock-transaction", b"folder_add_by_path"], weight: Weight::Exploit },
    Patch { id: "CVE-2023-34362", title: "MOVEit: SQL through session headers", places: &[Place::Path, Place::PathParameter], parts: &[b"/moveitisapi/moveitisapi.dll"], weight: Weight::Probe },
    Patch { id: "CVE-2025-55182", title: "React2Shell: a server component payload reaches the prototype", places: &[], parts: &[b"$1:__proto__:then"], weight: Weight::Exploit },
    Patch { id: "CVE-2025-55182", title: "React2Shell: a server component payload reaches the prototype", places: &[], parts: &[b"resolved_model", b"__proto__"], weight: Weight::Exploit },
    Patch { id: "CVE-2025-55182", title: "React2Shell: a server component payload reaches the prototype", places: &[], parts: &[b":constructor:constructor", b"_formdata"], weight: Weight::Exploit },
    Patch { id: "CVE-2025-29927", title: "Next.js: an internal header skips the middleware", places: &[Place::Header], parts: &[b"middleware:middleware:middleware"], weight: Weight::Exploit },
    Patch { id: "CVE-2023-46604", title: "ActiveMQ builds a class from a URL", places: &[], parts: &[b"classpathxmlapplicationcontext", b"http"], weight: Weight::Exploit },
    Patch { id: "CVE-2016-3088", title: "ActiveMQ's file server takes scripts", places: &[Place::Path, Place::PathParameter], parts: &[b"/fileserver/", b".jsp"], weight: Weight::Exploit },
    Patch { id: "CVE-2017-12615", title: "Tomcat takes scripts by PUT", places: &[Place::Path, Place::PathParameter], parts: &[b".jsp/"], weight: Weight::Probe },
    Patch { id: "CVE-2020-1938", title: "Tomcat's attributes by AJP", places: &[], parts: &[b"javax.servlet.include.servlet_path"], weight: Weight::Exploit },
    Patch { id: "CVE-2019-17558", title: "Solr's Velocity writer renders a parameter", places: &[], parts: &[b"params.resource.loader.enabled"], weight: Weight::Exploit },
    Patch { id: "CVE-2019-17558", title: "Solr's Velocity writer renders a parameter", places: &[], parts: &[b"wt=velocity", b"v.template.custom"], weight: Weight::Exploit },
    Patch { id: "CVE-2019-0193", title: "Solr's data import runs scripts", places: &[], parts: &[b"<dataconfig>", b"script:"], weight: Weight::Exploit },
    Patch { id: "CVE-2015-1427", title: "Elasticsearch evaluates Groovy", places: &[], parts: &[b"java.lang.math.class.forname", b"java.lang.runtime"], weight: Weight::Exploit },
    Patch { id: "CVE-2021-25646", title: "Druid evaluates JavaScript in a filter", places: &[], parts: &[b"\"type\":\"javascript\"", b"java.lang.runtime"], weight: Weight::Exploit },
    Patch { id: "CVE-2019-11580", title: "Crowd installs plugins without login", places: &[Place::Path, Place::PathParameter], parts: &[b"/crowd/admin/uploadplugin.action"], weight: Weight::Exploit },
    Patch { id: "CVE-2019-11581", title: "Jira renders a contact form", places: &[], parts: &[b"$i18n.getclass().forname("], weight: Weight::Exploit },
    Patch { id: "CVE-2021-40438", title: "Apache proxies to a socket and beyond", places: &[], parts: &[b"unix:", b"|http"], weight: Weight::Exploit },
    Patch { id: "CVE-2021-41773", title: "Apache decodes dots after it looked for them", places: &[Place::Path, Place::PathParameter], parts: &[b"/.%2e/"], weight: Weight::Exploit },
    Patch { id: "CVE-2021-42013", title: "Apache decodes dots twice", places: &[Place::Path, Place::PathParameter], parts: &[b"%%32%65"], weight: Weight::Exploit },
    Patch { id: "CVE-2021-21985", title: "vCenter calls any method of a bean", places: &[Place::Path, Place::PathParameter], parts: &[b"/ui/h5-vsan/rest/proxy/service/"], weight: Weight::Exploit },
    Patch { id: "CVE-2021-22005", title: "vCenter writes a file by its telemetry", places: &[Place::Path, Place::PathParameter], parts: &[b"/analytics/telemetry/ph/api/hyper/send"], weight: Weight::Probe },
    Patch { id: "CVE-2022-22954", title: "Workspace ONE renders a device's name", places: &[], parts: &[b"freemarker.template.utility.execute"], weight: Weight::Exploit },
    Patch { id: "CVE-2023-27350", title: "PaperCut: the setup wizard logs in", places: &[Place::Path, Place::PathParameter], parts: &[b"/app", b"service=page/setupcompleted"], weight: Weight::Exploit },
    Patch { id: "CVE-2023-22527", title: "Confluence's template evaluates OGNL", places: &[], parts: &[b"\\u0027+#request", b"freemarker"], weight: Weight::Exploit },
    Patch { id: "CVE-2024-3400", title: "PAN-OS: a session id that is a path", places: &[], parts: &[b"/opt/panlogs/tmp/device_telemetry"], weight: Weight::Exploit },
    Patch { id: "CVE-2024-21887", title: "Ivanti: commands in a licence path", places: &[Place::Path, Place::PathParameter], parts: &[b"/api/v1/totp/user-backup-code/../../"], weight: Weight::Exploit },
    Patch { id: "CVE-2023-46805", title: "Ivanti: out of the path that needs no login", places: &[Place::Path, Place::PathParameter], parts: &[b"/api/v1/totp/user-backup-code/../"], weight: Weight::Exploit },
    Patch { id: "CVE-2021-3129", title: "Laravel's Ignition runs a solution", places: &[], parts: &[b"ignition", b"viewfile", b"makeviewvariableoptionalsolution"], weight: Weight::Exploit },
    Patch { id: "CVE-2018-15133", title: "Laravel decodes a token", places: &[Place::Header], parts: &[b"x-xsrf-token", b"tzo0mdo"], weight: Weight::Probe },
    Patch { id: "CVE-2015-8562", title: "Joomla stores the user agent in the session", places: &[], parts: &[b"}__", b"jdatabasedrivermysqli"], weight: Weight::Exploit },
    Patch { id: "CVE-2023-23752", title: "Joomla shows its configuration", places: &[Place::Path, Place::PathParameter], parts: &[b"/api/index.php/v1/config/application"], weight: Weight::Probe },
    Patch { id: "CVE-2024-27198", title: "TeamCity: a suffix hides the path from the login", places: &[], parts: &[b"jsp=/app/rest/users;.jsp"], weight: Weight::Exploit },
    Patch { id: "CVE-2024-36401", title: "GeoServer evaluates property names", places: &[], parts: &[b"exec(java.lang.runtime.getruntime()"], weight: Weight::Exploit },
    Patch { id: "CVE-2020-8515", title: "DrayTek runs a key path", places: &[], parts: &[b"keypath", b"/bin/sh"], weight: Weight::Probe },
    Patch { id: "CVE-2014-8361", title: "Realtek's SOAP service runs commands", places: &[], parts: &[b"newstatus", b"`"], weight: Weight::Probe },
    Patch { id: "CVE-2017-17215", title: "Huawei's router runs a status URL", places: &[], parts: &[b"newstatusurl", b"$("], weight: Weight::Exploit },
    Patch { id: "CVE-2018-10561", title: "GPON routers skip the login", places: &[Place::Path, Place::PathParameter], parts: &[b"/gponform/diag_form"], weight: Weight::Probe },
    Patch { id: "CVE-2023-1389", title: "TP-Link's country form runs commands", places: &[], parts: &[b"/cgi-bin/luci/;stok=/locale"], weight: Weight::Exploit },
    Patch { id: "CVE-2022-46169", title: "Cacti: an address of its own in a header", places: &[], parts: &[b"remote_agent.php", b"polldata"], weight: Weight::Exploit },
    Patch { id: "CVE-2019-5418", title: "Rails renders the file that Accept names", places: &[Place::Header], parts: &[b"../", b"{{"], weight: Weight::Exploit },
    Patch { id: "CVE-2013-0156", title: "Rails decodes YAML from XML", places: &[], parts: &[b"type=\"yaml\"", b"!ruby/"], weight: Weight::Exploit },
    Patch { id: "CVE-2021-43798", title: "Grafana: out of the plugin folder", places: &[Place::Path, Place::PathParameter], parts: &[b"/public/plugins/", b"../"], weight: Weight::Exploit },
    Patch { id: "CVE-2022-0543", title: "Redis: Lua reaches package", places: &[], parts: &[b"package.loadlib", b"luaopen_io"], weight: Weight::Exploit },
    Patch { id: "CVE-2022-36804", title: "Bitbucket: arguments by NUL", places: &[], parts: &[b"prefix=", b"\x00--exec="], weight: Weight::Exploit },
    Patch { id: "CVE-2024-4956", title: "Nexus: out of the root by empty segments", places: &[Place::Path, Place::PathParameter], parts: &[b"/%2f%2f%2f", b"..%2f"], weight: Weight::Exploit },
    Patch { id: "CVE-2021-29441", title: "Nacos trusts a user agent", places: &[Place::Header], parts: &[b"nacos-server"], weight: Weight::Probe },
    Patch { id: "CVE-2016-4437", title: "Shiro decrypts a cookie with a known key", places: &[Place::Cookie], parts: &[b"rememberme=delet"], weight: Weight::Probe },
    Patch { id: "CVE-2017-1000353", title: "Jenkins decodes objects on its command line", places: &[], parts: &[b"ro0abxnyacnqyxzhlnnly3vyaxr5llnpz25lze9iamvjd"], weight: Weight::Exploit },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_well_formed_and_anchored() {
        let anchors = include_str!("detectors/cve.anchors");
        for patch in ALL {
            assert!(patch.id.starts_with("CVE-") && patch.id.len() >= 13, "{}", patch.id);
            assert!(!patch.title.is_empty() && !patch.parts.is_empty(), "{}", patch.id);
            for part in patch.parts {
                assert_eq!(part.to_ascii_lowercase(), *part, "{}: parts are lower case", patch.id);
            }
            let anchored = patch.parts.iter().any(|part| {
                anchors
                    .lines()
                    .any(|anchor| *part == anchor.replace("\\x5c", "\\").replace("\\x23", "#").as_bytes())
            });
            assert!(anchored, "{}: no part of it is an anchor", patch.id);
        }
    }
}
