//! Country and autonomous system of an address, from MaxMind files that the owner gives.
//!
//! It may not open files: the bytes are handed in.

use std::net::IpAddr;

use maxminddb::{PathElement, Reader};

use crate::Geo;

/// What is known of addresses.
#[derive(Debug, Default)]
pub struct GeoTables {
    country: Option<Reader<Vec<u8>>>,
    asn: Option<Reader<Vec<u8>>>,
}

impl GeoTables {
    /// Reads the tables of countries and of autonomous systems; either may be absent.
    ///
    /// # Errors
    /// Says which one is no MaxMind file.
    pub fn new(country: Option<Vec<u8>>, asn: Option<Vec<u8>>) -> Result<Self, String> {
        let open = |bytes: Option<Vec<u8>>, what: &str| {
            bytes
                .map(|bytes| Reader::from_source(bytes).map_err(|error| format!("{what}: {error}")))
                .transpose()
        };
        Ok(Self { country: open(country, "geo.country")?, asn: open(asn, "geo.asn")? })
    }

    /// What is known of an address. A broken entry is an unknown one.
    #[must_use]
    pub fn look(&self, address: IpAddr) -> Geo {
        let country = self.country.as_ref().and_then(|table| {
            let found = table.lookup(address).ok()?;
            let code = |of: &str| {
                found
                    .decode_path::<&str>(&[PathElement::Key(of), PathElement::Key("iso_code")])
                    .ok()
                    .flatten()
            };
            code("country")
                .or_else(|| code("registered_country"))?
                .to_ascii_uppercase()
                .into_bytes()
                .try_into()
                .ok()
        });
        let asn = self.asn.as_ref().and_then(|table| {
            let found = table.lookup(address).ok()?;
            found.decode_path::<u32>(&[PathElement::Key("autonomous_system_number")]).ok().flatten()
        });
        Geo { country, asn }
    }
}
