//! Sizes as the server writes its settings: `128MB`.

use super::probe::Server;

impl Server {
    /// The value of a setting that is a number.
    pub fn number_setting(&self, name: &str) -> Option<u64> {
        self.settings.get(name)?.parse().ok()
    }

    /// The value of a setting that is a size, in bytes.
    pub fn size_setting(&self, name: &str) -> Option<u64> {
        bytes(self.settings.get(name)?)
    }
}

/// Source: PostgreSQL manual, "Parameter Names and Values": the units are powers of 1024.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "" | "B" => 1,
        "kB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        "TB" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn units_are_powers_of_1024() {
        assert_eq!(bytes("16MB"), Some(16 << 20));
        assert_eq!(bytes("65536kB"), Some(64 << 20));
        assert_eq!(bytes("1GB"), Some(1 << 30));
        assert_eq!(bytes("-1"), None);
        assert_eq!(bytes("3 parsecs"), None);
    }
}
