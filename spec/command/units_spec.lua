-- The small parts of the command: words, times, addresses, session files.

local arguments = require "grid.cli.arguments"
local authentication = require "grid.cli.authentication"
local child = require "spec.support.child"
local core = require "grid.core"
local exit = require "grid.cli.exit"
local decode = require "grid.cli.command.move_signer.decode"
local grid = require "grid"
local jwt = require "grid.jwt"
local pasted = require "grid.pasted"
local session_file = require "grid.cli.session_file"
local times = require "grid.cli.times"

describe("the words of a command", function()
  local command = {
    name = "try", text = "Tries.\n", exit_codes = "exit codes: 0\n",
    arguments = { { name = "FILE" }, { name = "OTHER", optional = true } },
    sections = {
      { title = "options", options = {
        email = { value = "E", help = "who" }, count = { value = "N", number = true, help = "how many" },
      } },
      { title = "more", options = { yes = { help = "do not ask" }, help = { help = "this text" } } },
    },
  }

  local function parse(...) return arguments.parse(command, { "try", ... }) end

  local function refusal(...)
    local ok, problem = pcall(parse, ...)
    assert.is_false(ok)
    assert.is_true(exit.is_exit(problem))
    assert.equal(exit.USAGE, problem.code)
    return problem.message
  end

  it("are arguments, options with values, and switches, in any order", function()
    assert.same({ "a", "b", email = "x=y", yes = true, count = 3 }, parse("--email=x=y", "a", "--yes", "--count", "3", "b"))
    assert.same({ "-", "--yes" }, parse("-", "--", "--yes"))
  end)

  it("are refused with the name that was meant", function()
    assert.equal("grid: try: there is no option '--emial', did you mean '--email'?", refusal("a", "--emial", "x"))
    assert.equal("grid: try: there is no option '--zzzzzzz'; `grid try --help` lists the options", refusal("a", "--zzzzzzz"))
  end)

  it("are refused when they are too few, too many, or given twice", function()
    assert.equal("grid: try: FILE is missing", refusal())
    assert.equal("grid: try: unexpected argument 'c'", refusal("a", "b", "c"))
    assert.equal("grid: try: option '--yes' is given twice", refusal("a", "--yes", "--yes"))
    assert.equal("grid: try: option '--email' needs a value: E", refusal("a", "--email"))
    assert.equal("grid: try: option '--email' needs a value: E", refusal("a", "--email="))
    assert.equal("grid: try: option '--count' needs a value: N", refusal("a", "--count", ""))
    assert.equal("grid: try: option '--yes' takes no value", refusal("a", "--yes=1"))
    assert.equal("grid: try: option '--count' needs a number", refusal("a", "--count", "many"))
    assert.equal("grid: try: there are no short options; --help lists the long ones", refusal("a", "-x"))
  end)

  it("that are missing are named one by one, in the order of their names", function()
    local options = {}
    for letter in ("hgfedcba"):gmatch "." do options[letter] = { value = "X", required = true } end
    local ok, problem = pcall(arguments.parse, { name = "try", arguments = {}, sections = { { options = options } } }, { "try" })
    assert.is_false(ok)
    assert.equal("grid: try: option '--a' is missing", problem.message)
  end)

  it("never bring a secret, and a refusal does not repeat it", function()
    for _, name in ipairs { "api-key", "otp", "code", "private-key" } do
      local message = refusal("a", "--" .. name .. "=hush")
      assert.is_nil(message:find("hush", 1, true))
      assert.matches("command line", message)
    end
  end)

  it("are explained by the same declaration", function()
    local text = arguments.help(command)
    assert.matches("^usage: grid try FILE %[OTHER%] %[OPTIONS%]\n\nTries%.\n", text)
    for _, words in ipairs { "--email E:who", "--count N:how many", "--yes:do not ask" } do
      local left, right = words:match "^(.*):(.*)$"
      assert.truthy(text:find(("\n  %-22s%s\n"):format(left, right), 1, true), words)
    end
    assert.same({ help = true }, parse "--help")
  end)
end)

describe("times", function()
  it("are told with their distance", function()
    assert.matches("^2023%-11%-14 22:13:20 UTC, %d+ d ago$", times.text(1700000000))
    assert.matches(", in 2 h$", times.text(os.time() + 7300))
    assert.equal("at a time beyond the year 9999", times.text(1e300))
  end)

  it("are found inside a JSON Web Token, and nowhere else", function()
    assert.equal(1516239022, jwt.expiry "eyJhbGciOiJub25lIn0.eyJleHAiOjE1MTYyMzkwMjJ9.")
    for _, text in ipairs { "", "opaque", "a.b.c", "eyJhbGciOiJub25lIn0.W10.x" } do assert.is_nil(jwt.expiry(text)) end
    assert.is_nil(jwt.expiry(nil))
  end)
end)

describe("decoding", function()
  it("reads base64 in both alphabets, padded or not", function()
    assert.equal("\251\255\254", decode.base64 "+//+")
    assert.equal("\251\255\254", decode.base64 "-__-")
    assert.equal("hello", decode.base64 "aGVsbG8=")
    assert.equal("hello", decode.base64 "aGVsbG8")
    assert.equal("", decode.base64 "")
    assert.is_nil(decode.base64 "a")
    assert.is_nil(decode.base64 "a b=")
  end)

  it("reads addresses of 32 bytes, and no others", function()
    assert.equal(("\0"):rep(32), decode.address(("1"):rep(32)))
    assert.equal(("\0"):rep(31) .. "\1", decode.address(("1"):rep(31) .. "2"))
    -- Solana's token program
    local address = decode.address "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
    local hex = address:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)
    assert.equal("06ddf6e1d765a193d9cbe146ceeb79ac1cb485ed5f5b37913a8cf5857eff00a9", hex)
    for _, text in ipairs { "", "1", ("1"):rep(33), "0OIl", ("z"):rep(45), "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5D" } do
      assert.is_nil(decode.address(text), text)
    end
  end)
end)

describe("a session file", function()
  local KEPT = '{"kms_payload":{"session":{ "Privy":{"n":12345678901234567890} }},"address":"A","x":[ ],"saved_at":"then",'
    .. '"private_key":null}'

  it("keeps the payload's bytes, and members that it does not know", function()
    local session = assert(session_file.parse(KEPT, "f"))
    assert.equal('{"session":{ "Privy":{"n":12345678901234567890} }}', session.kms_payload)
    assert.equal("A", session.address)
    assert.is_nil(session.private_key)
    assert.equal('{"address":"A",\n"saved_at":"then",\n"kms_payload":' .. session.kms_payload .. ',\n"x":[ ]}\n', session:to_text())
  end)

  it("keeps members whatever their names are, each with its own value", function()
    local others = {
      '"x\\u0000y" : 1', '"x":2', '"\\u0000":3', '"":4', '"address\\u0000":5', '"kms_payload\\u0000":6', '"\\ud800":7',
      '"\\udc00":8', '"\239\191\189":9', '"x": { "same" : 10 }', '"\\u0078":[ ]',
    }
    local text = '{"kms_payload":{},' .. table.concat(others, " , ") .. "}"
    local session = assert(session_file.parse(text, "f"))
    assert.equal('{"kms_payload":{},\n' .. table.concat(others, ",\n") .. "}\n", session:to_text())
    assert.equal(session:to_text(), assert(session_file.parse(session:to_text(), "f")):to_text())
  end)

  it("may be a bare payload, and stays one", function()
    local session = assert(session_file.parse('{"session":{}} ', "f"))
    assert.is_true(session.bare)
    assert.equal('{"session":{}} ', session:to_text())
    assert(session:pair(assert(grid.keypair()):export()))
    assert.equal('{"session":{}} ', session:to_text())
  end)

  it("is written where no program that is started meanwhile can see it", function()
    local name = os.tmpname()
    local file = assert(core.file_begin(name))
    assert.is_nil(child.capture("ls -l /proc/self/fd"):find(name, 1, true))
    file:close()
    os.remove(name)
  end)

  it("gets a new key only where that was allowed, and holds it before its public key is sent", function()
    local name = os.tmpname()
    local file = assert(io.open(name, "w"))
    file:write('{"session":{}}')
    file:close()
    local session = assert(session_file.open(name))
    local pair, err = session:pair()
    assert.is_nil(pair)
    assert.equal("no_private_key", err.code)
    pair = assert(session:pair(nil, true))
    assert.equal(pair:export(), assert(session_file.read(name)).private_key)
    session:set_payload '{"session":{"n":1}}'
    assert(session:save())
    assert.equal('{"session":{"n":1}}', assert(session_file.read(name)).kms_payload)
    os.remove(name)
  end)

  it("takes the key that is named in place of its own", function()
    local session = assert(session_file.parse('{"kms_payload":{},"private_key":"no key"}', "f"))
    local text = assert(grid.keypair()):export()
    assert(session:pair(text))
    assert.equal(text, session.private_key)
  end)

  it("is refused when it is something else", function()
    for _, text in ipairs { "", "[]", "[1]", "7", "{", "{}", '{"kms_payload":7}', '{"kms_payload":{},"address":7}',
      '{"kms_payload":{},"private_key":{}}' } do
      local session, err = session_file.parse(text, "the-file")
      assert.is_nil(session, text)
      assert.equal("store", err.kind)
      assert.matches("the%-file", err.message)
    end
  end)

  it("is refused with what it lacks", function()
    for text, fault in pairs {
      ["[]"] = "it holds no JSON object", ["{"] = "it holds no JSON object", ["{}"] = "it has no member 'kms_payload'",
      ['{"access_token":"a"}'] = "it has no member 'kms_payload'",
    } do
      local _, err = session_file.parse(text, "f")
      assert.equal("f is not a session file: " .. fault, err.message)
    end
  end)

  it("is refused when it cannot be read, or is far too large", function()
    assert.equal("not_read", select(2, session_file.read "/nonexistent").code)
    assert.equal("not_read", select(2, session_file.read "/").code)
    local name = os.tmpname()
    local file = assert(io.open(name, "w"))
    file:write(("x"):rep(2 ^ 20 + 1))
    file:close()
    assert.matches("larger", select(2, session_file.read(name)).message)
    os.remove(name)
  end)
end)

describe("pasted text", function()
  -- Byte order mark, zero width space, soft hyphen, word joiner, left-to-right mark;
  -- no-break, thin, narrow no-break and ideographic space.
  local UNSEEN = "\239\187\191\226\128\139\194\173\226\129\160\226\128\142"
  local BLANKS = "\194\160\226\128\137\226\128\175\227\128\128 \t\r\n\v\f"

  it("has nothing at its ends that is not seen", function()
    assert.equal("a b", pasted.trim(UNSEEN .. BLANKS .. "a b" .. BLANKS .. UNSEEN))
    assert.equal("a" .. UNSEEN .. "b", pasted.trim("a" .. UNSEEN .. "b"))
    assert.equal("", pasted.trim(UNSEEN .. BLANKS))
    assert.equal("", pasted.trim "")
    for _, text in ipairs { "a", "\0a\0", "\27[0m", "\128", "\128a\128", "é", "\194\155a" } do
      assert.equal(text, pasted.trim(text))
    end
  end)

  it("has nothing anywhere that is not seen, where that is asked for", function()
    assert.equal("123456", pasted.squeeze(UNSEEN .. "1" .. BLANKS .. "23" .. UNSEEN .. "456" .. BLANKS))
    assert.equal("\0001\27\128\194\155é", pasted.squeeze "\0001 \27\128\194\155 é")
  end)

  it("begins with no byte order mark", function()
    assert.equal("{}", pasted.without_mark "\239\187\191{}")
    assert.equal(" \239\187\191", pasted.without_mark " \239\187\191")
  end)
end)

describe("a log-in", function()
  -- Logs in with these answers to its questions. -> the password that is sent, or the
  -- Exit; the notes
  local function with_answers(...)
    local answers, sent, notes = { ... }, nil, {}
    local client = {
      init_auth = function() return { data = {} } end,
      complete_auth = function(_, request) sent = request.otp_code return {} end,
    }
    local output = {
      ask = function() return table.remove(answers, 1) end,
      note = function(_, format, ...) notes[#notes + 1] = format:format(...) end,
      is_interactive = function() return true end,
    }
    local ok, problem = pcall(authentication.log_in, client, "a@example.com", output)
    return ok and sent or problem, notes
  end

  it("asks a person again for a one-time password that cannot be one, before anything is sent", function()
    local sent, notes = with_answers("12-34", "12\27[D34", " 12 34 ")
    assert.same({ "1234", 2 }, { sent, #notes })
    assert.matches("neither a letter nor a digit: it was not sent", notes[1])
    assert.equal(exit.FAILED, with_answers("a.", "b.", "c.", "1234").code)
    assert.equal("grid: no one-time password was given", with_answers("a.", " ").message)
  end)
end)

describe("fingerprints", function()
  it("are the begin of SHA-256", function()
    assert.equal("text:ba7816bf8f01cfea", core.fingerprint "abc")
  end)
end)
