"""The passwords of eight and more characters that guessers try first, in lower case."""

from typing import Final

COMMON: Final = frozenset(
    """
    12345678 123456789 1234567890 12345678910 123123123 1234512345 123456123 123454321 12341234 11223344 1122334455
    12344321 87654321 987654321 0987654321 9876543210 147258369 147852369 123654789 123789456 789456123 741852963
    159753456 01234567 0123456789 00000000 11111111 22222222 66666666 77777777 88888888 99999999 1111111111 31415926
    password password1 password12 password123 password1234 password! password1! passw0rd p@ssword p@ssw0rd p@ssw0rd1
    pa$$word pa$$w0rd passwort passwords mypassword newpassword changeme changeme1 changeme123 letmein1 letmein123
    welcome1 welcome123 welcome! qwertyui qwertyuiop qwerty12 qwerty123 qwerty1234 qwerty12345 qwertyqwerty 1q2w3e4r
    1q2w3e4r5t 1q2w3e4r5t6y q1w2e3r4 q1w2e3r4t5 1qaz2wsx 1qaz2wsx3edc zaq12wsx zaq1zaq1 1qazxsw2 qazwsxedc qweasdzxc
    asdfghjk asdfghjkl asdf1234 asdfasdf zxcvbnm1 zxcvbnm123 zxcvbnm, abcd1234 abc12345 abcdefgh abcdefg1 a1b2c3d4
    aa123456 aa12345678 iloveyou iloveyou1 iloveyou2 sunshine sunshine1 princess princess1 football football1 baseball
    baseball1 superman superman1 batman123 starwars trustno1 whatever dragon123 monkey123 master123 shadow123 michael1
    jennifer jordan23 michelle computer internet samsung1 liverpool chocolate butterfly blink182 charlie1 jessica1
    administrator admin123 admin1234 admin12345 admin@123 adminadmin root1234 test1234 testtest guest123 default1
    secret123 access14 login123 hello123 hellohello freedom1 corvette mercedes maverick midnight nextbuy1 nextbuy123
    marketplace
    """.split()  # noqa: SIM905  one word a line hides what is there
)
