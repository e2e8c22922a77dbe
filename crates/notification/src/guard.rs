//! Which addresses may be connected to.
//!
//! What a server can reach and others cannot must not be reached through it: its own services, the
//! network around it, the address at which clouds tell machines their credentials. Only public
//! addresses are let through, and those networks that the settings allow. A name is resolved once,
//! and what was checked is what is connected to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::str::FromStr;

use crate::Unsent;

/// A network: an address and how many of its bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no network: an address such as `127.0.0.1`, or one with its bits such as `10.0.0.0/8`, is expected")]
pub struct NetworkError(String);

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || NetworkError(text.chars().take(80).collect());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most).ok_or_else(wrong)?,
        };
        Ok(Self { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Network {
    /// Whether the address lies within.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(one), IpAddr::V4(other)) => {
                let unlike = u32::from(one) ^ u32::from(other);
                self.bits == 0 || unlike >> (32 - u32::from(self.bits)) == 0
            }
            (IpAddr::V6(one), IpAddr::V6(other)) => {
                let unlike = u128::from(one) ^ u128::from(other);
                self.bits == 0 || unlike >> (128 - u32::from(self.bits)) == 0
            }
            _ => false,
        }
    }
}

/// What may be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    allowed: Vec<Network>,
}

impl Reach {
    /// Public addresses, and those in these networks.
    pub fn new(allowed: Vec<Network>) -> Self {
        Self { allowed }
    }

    /// The networks that are allowed though they are not public.
    pub fn allowed(&self) -> &[Network] {
        &self.allowed
    }

    /// Why the address may not be connected to, if so.
    pub fn refuses(&self, address: IpAddr) -> Option<&'static str> {
        let address = plain(address);
        if self.allowed.iter().any(|network| network.contains(address)) {
            return None;
        }
        match address {
            IpAddr::V4(four) => not_public_four(four),
            IpAddr::V6(six) => not_public_six(six),
        }
    }

    /// Those of `addresses` that may be connected to.
    ///
    /// # Errors
    /// When there is none: with a sentence that names the first one and the setting that allows it.
    pub fn filter(
        &self,
        host: &str,
        addresses: impl IntoIterator<Item = SocketAddr>,
    ) -> Result<Vec<SocketAddr>, Unsent> {
        let mut refused = None;
        let mut let_through = Vec::new();
        for address in addresses {
            match self.refuses(address.ip()) {
                None => let_through.push(address),
                Some(what) => refused = refused.or(Some((address.ip(), what))),
            }
        }
        match (let_through.is_empty(), refused) {
            (false, _) => Ok(let_through),
            (true, Some((address, what))) => Err(Unsent::yet(format!(
                "{} {what}: nothing is sent there\nhint: if that is meant, add `{address}` to `allow` in the file of notifications",
                if host == address.to_string() {
                    format!("{address} is")
                } else {
                    format!("{host} is {address}, which is")
                }
            ))),
            (true, None) => Err(Unsent::yet(format!("{host} has no address"))),
        }
    }

    /// Resolves a name and filters what it comes to.
    ///
    /// # Errors
    /// When there is no such name, or none of its addresses may be connected to.
    pub fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Unsent> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found = (bare, port)
            .to_socket_addrs()
            .map_err(|error| Unsent::yet(format!("the name {host} could not be resolved: {error}")))?;
        self.filter(host, found)
    }
}

/// An IPv4 address that is written as an IPv6 one is judged as what it is.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(six) => six
            .to_ipv4_mapped()
            .or_else(|| embedded(six))
            .map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// The IPv4 address within one of the ranges that translate to them: NAT64 and 6to4.
fn embedded(six: Ipv6Addr) -> Option<Ipv4Addr> {
    match six.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => None,
    }
}

fn not_public_four(four: Ipv4Addr) -> Option<&'static str> {
    let [first, second, third, _] = four.octets();
    if four.is_loopback() {
        Some("this machine")
    } else if four.is_link_local() {
        Some("on this link, where clouds tell machines their credentials")
    } else if four.is_private() || (first == 100 && (64..128).contains(&second)) {
        Some("in a private network")
    } else if first == 0 {
        Some("no address of another machine")
    } else if four.is_multicast() || four.is_broadcast() || first >= 240 {
        Some("no address of a single machine")
    } else if four.is_documentation()
        || (first == 198 && (18..20).contains(&second))
        || (first, second, third) == (192, 0, 0)
    {
        Some("reserved")
    } else {
        None
    }
}

fn not_public_six(six: Ipv6Addr) -> Option<&'static str> {
    let first = six.segments()[0];
    if six.is_loopback() {
        Some("this machine")
    } else if six.is_unspecified() {
        Some("no address of another machine")
    } else if first & 0xffc0 == 0xfe80 {
        Some("on this link")
    } else if first & 0xfe00 == 0xfc00 {
        Some("in a private network")
    } else if six.is_multicast() {
        Some("no address of a single machine")
    } else if first & 0xe000 != 0x2000 || (first, six.segments()[1]) == (0x2001, 0x0db8) {
        Some("reserved")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_not_public_is_refused_however_it_is_written() {
        let reach = Reach::default();
        for text in [
            "127.0.0.1",
            "127.8.8.8",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "100.100.100.200",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.0.192",
            "::1",
            "::",
            "fe80::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "2001:db8::1",
        ] {
            assert!(reach.refuses(address(text)).is_some(), "{text}");
        }
        for text in [
            "93.184.216.34",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
        ] {
            assert_eq!(reach.refuses(address(text)), None, "{text}");
        }
    }

    #[test]
    fn a_network_that_is_allowed_is_reached_and_its_neighbours_are_not() {
        let reach = Reach::new(vec!["10.1.0.0/16".parse().unwrap(), "::1".parse().unwrap()]);
        assert_eq!(reach.refuses(address("10.1.255.1")), None);
        assert_eq!(reach.refuses(address("::ffff:10.1.0.1")), None);
        assert!(reach.refuses(address("10.2.0.1")).is_some());
        assert_eq!(reach.refuses(address("::1")), None);
        assert!(reach.refuses(address("127.0.0.1")).is_some());
    }

    #[test]
    fn of_a_name_with_several_addresses_only_those_that_may_be_reached_are_left() {
        let socket = |text: &str| SocketAddr::new(address(text), 443);
        let reach = Reach::default();
        let kept = reach.filter("x.example", [socket("127.0.0.1"), socket("93.184.216.34")]);
        assert_eq!(kept.unwrap(), [socket("93.184.216.34")]);
        let refused = reach.filter("x.example", [socket("169.254.169.254")]).unwrap_err();
        assert!(
            refused.reason.contains("169.254.169.254") && refused.reason.contains("`allow`"),
            "{refused}"
        );
    }

    #[test]
    fn networks_are_read_and_what_is_none_is_refused() {
        assert!("0.0.0.0/0".parse::<Network>().unwrap().contains(address("8.8.8.8")));
        assert!("::/0".parse::<Network>().unwrap().contains(address("fe80::1")));
        for text in ["", "10.0.0.0/33", "10.0.0/8", "x", "::/129", "10.0.0.0/-1"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
