-- Content codings and byte order marks: no request asks for them, and answers that have
-- them stay readable.

local fault_server = require "spec.support.fault_server"
local grid = require "grid"
local rig = require "spec.support.rig"

describe("a request", function()
  local server

  setup(function() server = fault_server.start() end)
  teardown(function() server:stop() end)

  local function client_of(options)
    options = options or {}
    options.api_key, options.base_url, options.ca_file, options.retries = "key", options.base_url or server.https, server.ca, 0
    return grid.new(options)
  end

  for _, scheme in ipairs { "http", "https" } do
    for _, method in ipairs { "POST", "PUT", "PATCH" } do
      it(("without a body says that its length is 0, %s, %s"):format(scheme, method), function()
        local client = client_of { base_url = server[scheme] }
        local data = assert(client:request(method, "/echo")).data
        assert.same({ method, "0", "" }, { data.method, data.headers["content-length"], data.body })
        assert.is_nil(data.headers["content-type"])
        local res = assert(client:request(method, "/echo", "{}"))
        assert.same({ method, "2", "7b7d" }, { res.data.method, res.data.headers["content-length"], res.data.body })
        client:close()
      end)
    end
  end

  it("for which a body has no meaning states no length", function()
    local client = client_of()
    for _, method in ipairs { "GET", "DELETE" } do
      assert.is_nil(assert(client:request(method, "/echo")).data.headers["content-length"])
    end
    client:close()
  end)

  for _, coding in ipairs { "gzip", "x-gzip", "deflate", "deflate-raw", "identity", "gzip,gzip" } do
    it("asks for no coding, and an answer in one is read all the same: " .. coding, function()
      local client = client_of()
      local res, err = client:request("POST", "/encoded?coding=" .. coding, "{}")
      assert(res, tostring(err))
      assert.equal("identity", res.data.accepts)
      client:close()
    end)
  end

  it("takes max_response_bytes for the decoded body", function()
    local client = client_of { max_response_bytes = 100000 }
    local res, err = client:request("POST", "/encoded?coding=gzip&of=50000000", "{}")
    assert.is_nil(res)
    rig.assert_error(err, { kind = "protocol", code = "body_too_large", sent = "yes", status = 200 })
    assert.is_true(#err.body <= 100000)
    client:close()
  end)

  for _, scheme in ipairs { "http", "https" } do
    for _, coding in ipairs { "utf-8", "compress", "gzip-none", "br-none", "gzip-none, utf-8" } do
      it(("whose answer names a coding that it does not have keeps that as it came, %s, %s"):format(scheme, coding), function()
        local client = client_of { base_url = server[scheme] }
        local _, err = client:request("POST", "/encoded?coding=" .. coding:gsub(" ", ""), "{}")
        rig.assert_error(err, { kind = "protocol", code = "bad_encoding", sent = "yes", status = 200, outcome = "unknown" })
        assert.equal('{"data":{"accepts":"identity"}}', err.body)
        client:close()
      end)
    end
  end

  for _, scheme in ipairs { "http", "https" } do
    for coding, shape in pairs { ["gzip-junk"] = "^\31\139.*junk$", ["gzip-members"] = "^\31\139.*\31\139" } do
      it(("whose answer goes on behind the end of its coding keeps all of it as it came, %s, %s"):format(scheme, coding), function()
        local client = client_of { base_url = server[scheme] }
        local _, err = client:request("POST", "/encoded?coding=" .. coding, "{}")
        rig.assert_error(err, { kind = "protocol", code = "bad_encoding", sent = "yes", status = 200, outcome = "unknown" })
        assert.is_truthy(err.body:find(shape))
        client:close()
      end)
    end
  end

  local FOREIGN = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
  local CHUNKS = "Transfer-Encoding: chunked\r\n\r\n3;a=b\r\n[1,\r\n0A\r\n\"two\",null\r\n1\r\n]\r\n0\r\n"
  local FRAMES = {
    ["of chunks"] = CHUNKS .. "\r\n",
    ["of chunks with a trailer"] = CHUNKS .. "Trailer: 3\r\n\r\n",
    ["of chunks, and what follows them"] = CHUNKS .. "\r\n" .. FOREIGN,
    ["and what follows it"] = "Content-Length: 14\r\n\r\n[1,\"two\",null]" .. FOREIGN,
  }
  for name, frame in pairs(FRAMES) do
    it("whose answer cannot be decoded keeps that without the framing " .. name, function()
      for _, coding in ipairs { "gzip", "utf-8" } do
        local raw = rig.raw_server(("HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\n%s"):format(coding, frame))
        local client = grid.new { api_key = "key", base_url = raw.url, host = raw.host, retries = 0 }
        local _, err = client:request("POST", "/x", "{}")
        rig.assert_error(err, { kind = "protocol", code = "bad_encoding", sent = "yes", status = 200 })
        assert.equal('[1,"two",null]', err.body)
        client:close()
        raw.close()
      end
    end)
  end

  it("reports an answer that cannot be decoded with its status", function()
    local client = client_of()
    for _, query in ipairs { "coding=unheard-of", "coding=gzip&cut=20" } do
      local res, err = client:request("POST", "/encoded?" .. query, "{}")
      assert.is_nil(res)
      assert.is_true(err.kind == "protocol" or err.kind == "network", tostring(err))
      assert.same({ "yes", 200 }, { err.sent, err.status })
    end
    client:close()
  end)
end)

describe("a byte order mark", function()
  local MARK = "\239\187\191"

  local function meet(body)
    local raw = rig.raw_server(("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body))
    local client = grid.new { api_key = "key", base_url = raw.url, host = raw.host, retries = 0 }
    local res, err = client:refresh_session { encryption_public_key = rig.KEY }
    client:close()
    raw.close()
    return res, err
  end

  local PAYLOAD = '{"session":{"Privy":{"token":"t","refresh_token":"r","session":{"expires_at":1,"wallets":[]}}}}'

  for name, body in pairs { wrapped = '{"data":{"kms_payload":' .. PAYLOAD .. "}}", bare = '{"kms_payload":' .. PAYLOAD .. "}" } do
    it("before an answer is ignored, and the payload stays exact: " .. name, function()
      local res, err = meet(MARK .. body)
      assert(res, tostring(err))
      assert.equal(PAYLOAD, res.kms_payload_json)
    end)
  end

  it("counts once, and only at the beginning", function()
    for _, body in ipairs { MARK .. MARK .. "{}", "{}" .. MARK, MARK, "\255\254{\0}\0" } do
      local res, err = meet(body)
      assert.is_nil(res)
      assert.equal("protocol", err.kind)
    end
  end)

  it("before a kms_payload is not sent", function()
    local client = grid.new { api_key = "key", base_url = "http://127.0.0.1:1", retries = 0 }
    local _, err = client:refresh_session { encryption_public_key = rig.KEY, kms_payload = MARK .. PAYLOAD }
    client:close()
    rig.assert_error(err, { kind = "request", code = "bad_payload", sent = "no" })
    assert.truthy(err.message:find("byte order mark", 1, true))
  end)
end)
