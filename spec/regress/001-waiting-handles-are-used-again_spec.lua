-- An easy handle that had waited for an HTTP/2 connection kept its buffer through
-- curl_easy_reset; CURLOPT_BUFFERSIZE was then refused with "bad argument", and every
-- call but the first of the next batch failed.

local grid = require "grid"
local sandbox = require "spec.support.sandbox"

local KEY =
  "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q=="

describe("a batch of calls over HTTP/2", function()
  it("may follow another one that had to wait for the connection", function()
    local server = sandbox.share()
    local client = grid.new { api_key = server.api_key, base_url = server.https, ca_file = server.ca }
    for _ = 1, 2 do
      local requests = {}
      for i, session in ipairs(server:sessions { count = 10 }) do
        requests[i] = { encryption_public_key = KEY, kms_payload = session.kms_payload_json }
      end
      for _, outcome in ipairs(client:refresh_sessions(requests)) do
        assert.is_nil(outcome[2] and tostring(outcome[2]))
      end
    end
    client:close()
    server:stop()
  end)
end)
