-- This library: the payload is a text, the answer a table.

local grid = require "grid"

return function(request)
  local client = grid.new { base_url = request.base_url, api_key = request.api_key, environment = "sandbox" }
  local what = { encryption_public_key = request.key, kms_payload = request.payload }
  return function() return assert(client:refresh_session(what)) end
end
