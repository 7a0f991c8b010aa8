//! Types whose values are words: one table gives parsing, writing and serde.

/// Parses and writes a type by its words, in any case.
macro_rules! words {
    ($type:ty { $($word:literal = $variant:path,)+ }) => {
        impl std::str::FromStr for $type {
            type Err = ();

            fn from_str(word: &str) -> Result<Self, ()> {
                match word.to_ascii_lowercase().as_str() { $($word => Ok($variant),)+ _ => Err(()) }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $($variant => $word,)+ })
            }
        }

        $crate::words::serde_words!($type, &[$($word),+]);
    };
}

/// Serialises a type as the word that it displays.
macro_rules! serde_words {
    ($type:ty, $words:expr) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                const WORDS: &[&str] = $words;
                let word = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                word.parse().map_err(|()| serde::de::Error::unknown_variant(&word, WORDS))
            }
        }
    };
}

pub(crate) use {serde_words, words};
